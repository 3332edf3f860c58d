# libgeotiff, which has no configuration of its own in Debian: GeoTIFF::GeoTIFF to link, GEOTIFF_INCLUDE_DIR for those few
# sources that include it.
find_path(GEOTIFF_INCLUDE_DIR geotiff.h PATH_SUFFIXES geotiff libgeotiff)
find_library(GEOTIFF_LIBRARY geotiff)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(GeoTIFF REQUIRED_VARS GEOTIFF_LIBRARY GEOTIFF_INCLUDE_DIR)
if(GeoTIFF_FOUND AND NOT TARGET GeoTIFF::GeoTIFF)
  add_library(GeoTIFF::GeoTIFF UNKNOWN IMPORTED)
  set_target_properties(GeoTIFF::GeoTIFF PROPERTIES IMPORTED_LOCATION ${GEOTIFF_LIBRARY})
endif()
