// Files in which vendors deliver the RPC and the metadata of a picture, found and read as GDAL does.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "io/tiff/tags/siblings.h"

namespace sr {

/// The RPC by GDAL's names: LINE_OFF, ..., LINE_NUM_COEFF (20 numbers), ...
using RpcItems = std::map<std::string, std::string>;

/// The numbers of the RPC tag (92); none if one is missing. Unknown errors are -1.
std::vector<double> rpc_numbers(const RpcItems& items);

/// What the vendor delivered beside the picture: the first one, in GDAL's order, whose files are there.
struct VendorFiles {
  std::vector<double> rpc;            ///< for the RPC tag; empty if there is none
  std::string damaged_rpc;            ///< a file with an RPC that lacks a number
  std::string unread_rpc;             ///< one in a form that is not read here
  std::vector<std::string> metadata;  ///< files with metadata that the picture's own tags lack
};
VendorFiles vendor_files(const Siblings& beside);

}  // namespace sr
