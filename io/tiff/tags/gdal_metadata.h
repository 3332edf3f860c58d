// The items of GDAL_METADATA (tag 42112), an XML text, found and changed without touching the rest of it.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sr {

/// <Item name="NAME" sample="BAND" role="ROLE" domain="DOMAIN">TEXT</Item>; empty where an attribute is
/// absent.
struct MetadataItem {
  std::string name, domain, role, text;
  int band = -1;                    ///< from 0; -1: of the whole picture
  size_t begin = 0, end = 0;        ///< of the element in the XML text
  size_t text_begin = 0, text_end;  ///< of its content
};

/// All items in their order, but those that hold elements of their own. None if the text is not well-formed
/// XML, which GDAL does not read either, or larger than 16 MB.
std::vector<MetadataItem> metadata_items(const std::string& xml);

/// The XML text after `change` has given each item another content, or nothing to leave it out. Items whose
/// content stays, and all else, are not touched; "" if the last element was left out.
std::string with_changed_items(const std::string& xml,
                               const std::function<std::optional<std::string>(const MetadataItem&)>& change);

/// Without what is said of single bands: names, scales, legends, colours.
std::string without_band_items(const std::string& xml);

/// With further items (name, text) of the whole picture at its end. An empty text becomes a whole one; one
/// that is not well-formed stays as it is.
std::string with_items(const std::string& xml, const std::vector<std::pair<std::string, std::string>>& items);

}  // namespace sr
