// The simple properties of an XMP packet (ISO 16684-1), found without touching the rest of it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace sr {

/// A property whose value is a text, written as an attribute or as an element.
struct XmpProperty {
  std::string space;  ///< URI of the name's namespace
  std::string name;   ///< without prefix
  std::string text;
  size_t begin = 0, end = 0;  ///< of the value in the packet
};

/// All of them, in the packet's order; none if it is not well-formed XML in UTF-8, or larger
/// than 16 MB.
std::vector<XmpProperty> xmp_properties(const std::string& packet);

}  // namespace sr
