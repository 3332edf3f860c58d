// Where things stand in an XML text, so that one can be changed while the others stay byte for byte.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sr {

/// Another text for bytes begin .. end-1.
struct XmlChange {
  size_t begin, end;
  std::string text;
};

/// The XML text after changes that follow each other in it.
inline std::string with_changes(const std::string& xml, const std::vector<XmlChange>& changes) {
  std::string result;
  size_t done = 0;
  for (const XmlChange& change : changes) {
    result.append(xml, done, change.begin - done).append(change.text);
    done = change.end;
  }
  return result.append(xml, done);
}

/// Where the tag at `begin` ends: behind its '>', which a quoted value may hold too.
inline size_t end_of_xml_tag(std::string_view xml, size_t begin) {
  char quote = 0;
  for (size_t i = begin; i < xml.size(); ++i) {
    const char c = xml[i];
    if (quote ? c == quote : c == '"' || c == '\'')
      quote = quote ? '\0' : c;
    else if (!quote && c == '>')
      return i + 1;
  }
  return xml.size();
}

/// The text with what XML reserves written as entities.
inline std::string xml_escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '&')
      result += "&amp;";
    else if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else if (c == '"')
      result += "&quot;";
    else
      result += c;
  }
  return result;
}

}  // namespace sr
