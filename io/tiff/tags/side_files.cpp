#include "io/tiff/tags/side_files.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "io/tiff/tags/coordinate_system.h"
#include "io/tiff/tags/gdal_metadata.h"
#include "io/tiff/tags/georeference.h"
#include "io/tiff/tags/grid_files.h"
#include "io/tiff/tags/pam_file.h"
#include "io/tiff/tags/rpc_files.h"
#include "io/tiff/tags/shown_names.h"
#include "io/tiff/tags/siblings.h"
#include "tensor/error.h"

namespace sr {
namespace {

std::string shown(const PamFile& pam) {
  constexpr size_t kLongest = 40;
  std::vector<std::string> names;
  for (const std::string& name : pam.others) names.push_back(printable(name.substr(0, kLongest)));
  return some_of(std::move(names));
}

// The georeference of the first place that has one.
void choose_georeference(const Siblings& beside, const PamFile& pam, const TabFile& tab, SceneTags& tags,
                         std::vector<std::string>& notes) {
  const auto take = [&](const GeoTransform& grid, const std::vector<double>& points) {
    if (!points.empty())
      notes.push_back("its ground control points are left out: a TIFF has none beside a grid");
    set_geo_transform(tags, grid);
  };
  const bool in_tiff = geo_transform_of(tags).has_value();
  const bool own_points = !in_tiff && pam.control_points.empty();
  if (pam.grid) return take(*pam.grid, own_points ? tags.tiepoints : pam.control_points);
  if (!pam.control_points.empty()) return set_control_points(tags, pam.control_points);
  if (in_tiff) return;
  if (tab.grid) return set_geo_transform(tags, *tab.grid);
  if (const auto grid = world_file_grid(beside)) return take(*grid, tab.control_points);
  if (tags.tiepoints.size() < 6 && !tab.control_points.empty()) set_control_points(tags, tab.control_points);
}

void choose_coordinate_system(const PamFile& pam, const TabFile& tab, SceneTags& tags,
                              std::vector<std::string>& notes) {
  const bool points = !pam.grid && !pam.control_points.empty();
  const std::string& of_pam = points ? pam.control_point_system : pam.coordinate_system;
  if (of_pam.empty() && tab.coordinate_system.empty()) return;
  const std::optional<int> code = of_pam.empty() ? tab.epsg : epsg_of(of_pam);
  if (code && set_epsg(tags, *code)) {
    if (pam.epoch && !of_pam.empty() && !points) set_coordinate_epoch(tags, *pam.epoch);
    return;
  }
  notes.push_back("the coordinate system in " + (of_pam.empty() ? tab.name : pam.name) +
                  " beside it is not taken over; gdal_translate OLD.tif NEW.tif writes it into the TIFF");
}

// GDAL knows one for each band, the TIFF's where the file has none.
void choose_nodata(const std::string& path, const PamFile& pam, int bands, SceneTags& tags) {
  if (pam.nodata.empty()) return;
  std::vector<std::string> values;
  for (int band = 1; band <= bands; ++band) {
    const auto own = pam.nodata.find(band);
    const std::string& value = own == pam.nodata.end() ? tags.gdal_nodata : own->second;
    const auto same = [&](const std::string& v) {
      return v == value || (!v.empty() && !value.empty() && leading_number(v) == leading_number(value));
    };
    if (std::ranges::none_of(values, same)) values.push_back(value);
  }
  if (values.size() == 1) {
    tags.gdal_nodata = values[0];
    return;
  }
  for (std::string& value : values) value = value.empty() ? "none" : shortest_text(leading_number(value));
  throw Error(
      Error::Kind::unsupported, "reading '", path, "': its bands have different nodata values by ", pam.name,
      " beside it (", some_of(std::move(values)),
      "), for which a TIFF has no place; take the bands apart: gdal_translate -b 1 OLD.tif BAND1.tif");
}

// As if the TIFF itself had the item.
void set_nodata_values(SceneTags& tags, const std::string& values) {
  const std::string others = with_changed_items(tags.gdal_metadata, [](const MetadataItem& item) {
    const bool old = item.name == "NODATA_VALUES" && item.domain.empty() && item.band < 0;
    return old ? std::nullopt : std::optional(item.text);
  });
  const std::string whole = with_items(others, {{"NODATA_VALUES", values}});
  // GDAL reads nothing out of a text that cannot be added to.
  tags.gdal_metadata = whole == others ? with_items("", {{"NODATA_VALUES", values}}) : whole;
}

// GDAL keeps these beside a copy as well, so a copy is no way out.
void note_tables(const PamFile& pam, std::vector<std::string>& notes) {
  if (!pam.categories && !pam.attributes) return;
  const std::string what = !pam.attributes   ? "category names"
                           : !pam.categories ? "attribute table"
                                             : "category names and the attribute table";
  notes.push_back("the " + what + " in " + pam.name + " beside it " + (pam.categories ? "are" : "is") +
                  " not in the result, for a TIFF has no place for such; keep that file");
}

void note_unread(const Siblings& beside, const PamFile& pam, const VendorFiles& vendor,
                 std::vector<std::string>& notes) {
  std::vector<std::string> unread;
  const auto add = [&](const std::string& name) {
    if (!name.empty()) unread.push_back(name);
  };
  if (pam.foreign) add(pam.name);
  for (const std::string& name : {beside.name() + ".aux", beside.stem() + ".aux"}) {
    const std::string erdas = beside.find(name);
    if (!erdas.empty() && beside.text(erdas).starts_with("EHFA_HEADER_TAG")) add(erdas);
  }
  add(vendor.unread_rpc);
  if (!unread.empty()) {
    notes.push_back(joined(unread) + " beside it " + (unread.size() > 1 ? "are" : "is") +
                    " not read; gdal_translate OLD.tif NEW.tif makes one file of all");
  }
  if (!pam.others.empty()) {
    notes.push_back(shown(pam) + " in " + pam.name + " beside it " + (pam.others.size() > 1 ? "are" : "is") +
                    " not taken over; gdal_translate OLD.tif NEW.tif makes one file of all");
  }
  for (const std::string& name : {vendor.damaged_rpc, pam.damaged ? pam.name : std::string()}) {
    if (!name.empty()) notes.push_back(name + " beside it is not used: it is damaged or lacks something");
  }
  if (!vendor.metadata.empty()) {
    notes.push_back("the vendor's metadata in " + joined(vendor.metadata) +
                    " beside it is not in the result; keep it");
  }
}

}  // namespace

void read_side_files(const std::string& path, int bands, SceneTags& tags, std::vector<std::string>& notes) {
  const Siblings beside(path);
  const PamFile pam = read_pam_file(beside);
  const VendorFiles vendor = vendor_files(beside);
  drop_unused_georeference(tags);
  const TabFile tab = geo_transform_of(tags) ? TabFile() : read_tab_file(beside);
  choose_georeference(beside, pam, tab, tags, notes);
  choose_coordinate_system(pam, tab, tags, notes);
  if (!vendor.rpc.empty()) tags.rpc = vendor.rpc;
  if (tags.rpc.empty()) tags.rpc = rpc_numbers(pam.rpc);
  choose_nodata(path, pam, bands, tags);
  if (!pam.nodata_values.empty()) set_nodata_values(tags, pam.nodata_values);
  note_tables(pam, notes);
  note_unread(beside, pam, vendor, notes);
  const std::string extended = beside.find(beside.stem() + ".tfwx");
  if (!extended.empty() && !geo_transform_of(tags) && tags.tiepoints.empty()) {
    notes.push_back(extended + " beside it is not read (nor does GDAL read it); copy it to " + beside.stem() +
                    ".tfw to have it used");
  }
}

}  // namespace sr
