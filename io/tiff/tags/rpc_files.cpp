#include "io/tiff/tags/rpc_files.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <pugixml.hpp>

namespace sr {
namespace {

constexpr const char* kSingle[] = {"LINE_OFF",   "SAMP_OFF",   "LAT_OFF",   "LONG_OFF",   "HEIGHT_OFF",
                                   "LINE_SCALE", "SAMP_SCALE", "LAT_SCALE", "LONG_SCALE", "HEIGHT_SCALE"};
constexpr const char* kTwenty[] = {"LINE_NUM_COEFF", "LINE_DEN_COEFF", "SAMP_NUM_COEFF", "SAMP_DEN_COEFF"};

// GDAL's names of what DigitalGlobe calls so, without capitals.
const std::map<std::string, std::string> kDigitalGlobe = {
    {"errbias", "ERR_BIAS"},           {"errrand", "ERR_RAND"},           {"lineoffset", "LINE_OFF"},
    {"sampoffset", "SAMP_OFF"},        {"latoffset", "LAT_OFF"},          {"longoffset", "LONG_OFF"},
    {"heightoffset", "HEIGHT_OFF"},    {"linescale", "LINE_SCALE"},       {"sampscale", "SAMP_SCALE"},
    {"latscale", "LAT_SCALE"},         {"longscale", "LONG_SCALE"},       {"heightscale", "HEIGHT_SCALE"},
    {"linenumcoef", "LINE_NUM_COEFF"}, {"linedencoef", "LINE_DEN_COEFF"}, {"sampnumcoef", "SAMP_NUM_COEFF"},
    {"sampdencoef", "SAMP_DEN_COEFF"}};

// NAME_RPC.TXT: a line "LINE_OFF: +001234.00 pixels" each, coefficients as LINE_NUM_COEFF_1 to _20.
RpcItems rpc_of_text(const std::string& text) {
  RpcItems lines;
  for (const std::string_view line : filled_lines(text)) {
    const size_t end = std::min(line.find_first_of(":="), line.size());
    const size_t word = std::min(line.find_last_not_of(" \t", end - 1) + 1, end);
    if (end > 0 && end < line.size()) lines.emplace(upper(line.substr(0, word)), line.substr(end + 1));
  }
  RpcItems items = lines;
  for (const std::string name : kTwenty) {
    for (int i = 1; i <= 20; ++i) {
      const auto number = lines.find(name + '_' + std::to_string(i));
      if (number != lines.end()) items[name] += number->second.substr(0, 40) + ' ';
    }
  }
  return items;
}

// NAME.RPB: "lineOffset = 1234;" in the group IMAGE, coefficients as "lineNumCoef = (1, 2, ...);".
RpcItems rpc_of_rpb(const std::string& text) {
  RpcItems items;
  for (size_t at = text.find('='); at != std::string::npos; at = text.find('=', at + 1)) {
    const auto letter = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
    size_t end = at;
    while (end > 0 && !letter(text[end - 1]) && text[end - 1] != '\n') --end;
    size_t start = end;
    while (start > 0 && letter(text[start - 1])) --start;
    const auto name = kDigitalGlobe.find(lower(text.substr(start, end - start)));
    if (name == kDigitalGlobe.end()) continue;
    items.emplace(name->second, text.substr(at + 1, text.find(';', at) - at - 1));
  }
  return items;
}

pugi::xml_node element(const pugi::xml_document& document, const char* name) {
  return document.find_node(
      [name](const pugi::xml_node& node) { return std::string_view(node.name()) == name; });
}

// RPC_NAME.XML of Airbus' DIMAP: the inverse model, from ground to image. `dimap` is the DIM_NAME.XML with
// the places of the tiles that a large picture is delivered in.
RpcItems rpc_of_dimap(const std::string& text, const std::string& dimap, const std::string& picture) {
  pugi::xml_document document, product;
  if (!document.load_buffer(text.data(), text.size())) return {};
  pugi::xml_node model = element(document, "Global_RFM");
  if (!model) model = element(document, "Rational_Function_Model");
  RpcItems items;
  for (const std::string name : kTwenty) {
    for (int i = 1; i <= 20; ++i) {
      const std::string number = name + '_' + std::to_string(i);
      const char* old = model.child("Inverse_Model").child_value(number.c_str());
      items[name] +=
          std::string(*old ? old : model.child("GroundtoImage_Values").child_value(number.c_str())) + ' ';
    }
  }
  const pugi::xml_node validity = model.child("RFM_Validity");
  for (const char* name : kSingle) {
    if (const char* number = validity.child_value(name); *number) items[name] = number;
  }
  // Centres of the first pixels are 1, but 0 where version 3 says so.
  const pugi::xml_node first = element(document, "ImagetoGround_Validity_Domain").child("FIRST_COL");
  double column = first ? leading_number(first.child_value()) : 1, row = column;
  (void)product.load_buffer(dimap.data(), dimap.size());
  const pugi::xml_node raster = product.child("Dimap_Document").child("Raster_Data");
  const pugi::xml_node tiling = raster.child("Raster_Dimensions").child("Tile_Set").child("Regular_Tiling");
  const bool overlapping = leading_number(tiling.child_value("OVERLAP_COL")) != 0 ||
                           leading_number(tiling.child_value("OVERLAP_ROW")) != 0;
  for (const pugi::xml_node file : raster.child("Data_Access").child("Data_Files").children("Data_File")) {
    const std::string path = file.child("DATA_FILE_PATH").attribute("href").value();
    if (overlapping || path.substr(path.rfind('/') + 1) != picture) continue;
    column +=
        (file.attribute("tile_C").as_int(1) - 1) * tiling.child("NTILES_SIZE").attribute("ncols").as_double();
    row +=
        (file.attribute("tile_R").as_int(1) - 1) * tiling.child("NTILES_SIZE").attribute("nrows").as_double();
  }
  const auto moved = [&](const char* name, double by) {
    if (items.contains(name)) items[name] = shortest_text(leading_number(items[name]) - by);
  };
  moved("LINE_OFF", row);
  moved("SAMP_OFF", column);
  return items;
}

// NAME.XML of DigitalGlobe: as the .RPB, in elements.
RpcItems rpc_of_digital_globe_xml(const std::string& text) {
  pugi::xml_document document;
  if (!document.load_buffer(text.data(), text.size())) return {};
  RpcItems items;
  for (const pugi::xml_node node : document.child("isd").child("RPB").child("IMAGE").children()) {
    const pugi::xml_node list = node.first_child();  // LINENUMCOEFList has LINENUMCOEF
    const bool inner = list.type() == pugi::node_element;
    const auto name = kDigitalGlobe.find(lower(inner ? list.name() : node.name()));
    if (name != kDigitalGlobe.end())
      items.emplace(name->second, inner ? list.child_value() : node.child_value());
  }
  return items;
}

// What one vendor delivers; nothing if its files are not there.
using Delivery = std::optional<VendorFiles>;

Delivery delivery(const std::string& rpc_file, const RpcItems& rpc,
                  const std::vector<std::string>& metadata) {
  VendorFiles files;
  files.rpc = rpc_numbers(rpc);
  if (files.rpc.empty()) files.damaged_rpc = rpc_file;
  for (const std::string& name : metadata) {
    if (!name.empty()) files.metadata.push_back(name);
  }
  return files;
}

bool begins_with(const Siblings& beside, const std::string& name, const char* mark) {
  return !name.empty() && beside.text(name).substr(0, 1024).find(mark) != std::string::npos;
}

Delivery digital_globe(const Siblings& beside) {
  const std::string imd = beside.find(beside.stem() + ".imd"), rpb = beside.find(beside.stem() + ".rpb");
  std::string xml = beside.find(beside.stem() + ".xml");
  const bool isd = begins_with(beside, xml, "<isd>");
  if (imd.empty() && rpb.empty() && !isd) return std::nullopt;
  if (!isd) xml.clear();
  if (!rpb.empty()) return delivery(rpb, rpc_of_rpb(beside.text(rpb)), {imd, xml});
  const RpcItems items = isd ? rpc_of_digital_globe_xml(beside.text(xml)) : RpcItems();
  return delivery("", items, {imd, xml});
}

Delivery text_delivery(const Siblings& beside, const std::string& rpc, const std::string& metadata) {
  return delivery(rpc, rpc.empty() ? RpcItems() : rpc_of_text(beside.text(rpc)), {metadata});
}

Delivery orb_view(const Siblings& beside) {
  const std::string pvl = beside.find(beside.stem() + ".pvl"), rpc = beside.find(beside.stem() + "_rpc.txt");
  if (pvl.empty() || rpc.empty()) return std::nullopt;
  return text_delivery(beside, rpc, pvl);
}

Delivery geo_eye(const Siblings& beside) {
  const std::string small = lower(beside.stem());
  const size_t end = std::min(small.find("_rgb_"), small.find("_pan_"));
  const std::string metadata = beside.find(beside.stem().substr(0, end) + "_metadata.txt");
  const std::string rpc = beside.find(beside.stem() + "_rpc.txt");
  if (metadata.empty() && rpc.empty()) return std::nullopt;
  return text_delivery(beside, rpc, metadata);
}

Delivery landsat(const Siblings& beside) {
  const std::string mtl = beside.find(beside.stem().substr(0, lower(beside.stem()).find("_b")) + "_mtl.txt");
  if (mtl.empty()) return std::nullopt;
  return delivery("", {}, {mtl});
}

// IMG_NAME_R1C1.TIF with DIM_NAME.XML and RPC_NAME.XML, or with the tile's number in their names too.
Delivery dimap(const Siblings& beside) {
  const std::string& stem = beside.stem();
  const size_t last = stem.rfind('_');
  std::string dim, rpc;
  if (last != std::string::npos && last > 4 && stem.size() > last + 1 && (stem[last + 1] == 'R')) {
    const auto either = [&](const std::string& kind) {
      const std::string own = beside.find(kind + stem.substr(4) + ".XML");
      return own.empty() ? beside.find(kind + stem.substr(4, last - 4) + ".XML") : own;
    };
    dim = either("DIM_"), rpc = either("RPC_");
  }
  if (dim.empty() && rpc.empty()) {
    const std::string spot = beside.find("METADATA.DIM");
    return spot.empty() ? Delivery() : delivery("", {}, {spot});
  }
  if (rpc.empty()) return delivery("", {}, {dim});
  const std::string product = dim.empty() ? "" : beside.text(dim);
  return delivery(rpc, rpc_of_dimap(beside.text(rpc), product, beside.name()), {dim});
}

Delivery marked_xml(const Siblings& beside) {
  const std::string resurs = beside.find(beside.stem() + ".xml");
  if (begins_with(beside, resurs, "<MSP_ROOT>")) return delivery("", {}, {resurs});
  const std::string rapid_eye = beside.find(beside.stem() + "_metadata.xml");
  if (begins_with(beside, rapid_eye, "re:EarthObservation")) return delivery("", {}, {rapid_eye});
  return std::nullopt;
}

// Kompsat has NAME.rpc and NAME.txt, EROS NAME.rpc or NAME.pass.
Delivery kompsat_or_eros(const Siblings& beside) {
  const std::string rpc = beside.find(beside.stem() + ".rpc"), pass = beside.find(beside.stem() + ".pass");
  if (rpc.empty() && pass.empty()) return std::nullopt;
  const std::string txt = rpc.empty() ? "" : beside.find(beside.stem() + ".txt");
  return text_delivery(beside, rpc, txt.empty() ? pass : txt);
}

Delivery alos(const Siblings& beside) {
  std::string header, rpc;
  for (const size_t cut : {6, 3}) {
    if (beside.stem().size() < cut) continue;
    const std::string rest = beside.stem().substr(cut) + ".txt";
    if (header.empty()) header = beside.find("HDR" + rest);
    if (rpc.empty()) rpc = beside.find("RPC" + rest);
  }
  const std::string summary = beside.find("summary.txt");
  if (summary.empty() && (header.empty() || rpc.empty())) return std::nullopt;
  Delivery files = delivery("", {}, {summary, header});
  files->unread_rpc = rpc;  // in columns of its own
  return files;
}

}  // namespace

std::vector<double> rpc_numbers(const RpcItems& items) {
  std::vector<double> numbers;
  for (const char* name : {"ERR_BIAS", "ERR_RAND"}) {
    const auto item = items.find(name);
    numbers.push_back(item == items.end() ? -1 : leading_number(item->second));
  }
  for (const char* name : kSingle) {
    const auto item = items.find(name);
    if (item == items.end()) return {};
    numbers.push_back(leading_number(item->second));
  }
  for (const char* name : kTwenty) {
    const auto item = items.find(name);
    const std::vector<double> twenty = item == items.end() ? std::vector<double>() : numbers_of(item->second);
    if (twenty.size() != 20) return {};
    numbers.insert(numbers.end(), twenty.begin(), twenty.end());
  }
  return numbers;
}

VendorFiles vendor_files(const Siblings& beside) {
  for (const auto vendor :
       {digital_globe, orb_view, geo_eye, landsat, dimap, marked_xml, kompsat_or_eros, alos}) {
    if (const Delivery found = vendor(beside)) return *found;
  }
  return {};
}

}  // namespace sr
