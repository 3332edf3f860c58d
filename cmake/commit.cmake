# Writes the source that holds the commit of the sources in ROOT, if it has changed: what includes no header is compiled again,
# nothing else.
#   cmake -DROOT=<sources> -DOUT=<source> -P commit.cmake
cmake_minimum_required(VERSION 3.22)

set(commit unknown)
string(TIMESTAMP date %Y-%m-%d UTC)
set(git git --no-optional-locks -C ${ROOT})
execute_process(COMMAND ${git} rev-parse --show-cdup OUTPUT_VARIABLE above OUTPUT_STRIP_TRAILING_WHITESPACE
                RESULT_VARIABLE failed ERROR_QUIET)
if(failed EQUAL 0 AND above STREQUAL "")  # sources within somebody else's repository are none of its commits
  execute_process(COMMAND ${git} describe --always --dirty --exclude=* OUTPUT_VARIABLE described
                  OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed ERROR_QUIET)
  if(failed EQUAL 0)
    set(commit ${described})
    execute_process(COMMAND ${git} log -1 --format=%cs OUTPUT_VARIABLE date OUTPUT_STRIP_TRAILING_WHITESPACE)
  endif()
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT [[
namespace sr {
extern const char* const kCommit;
extern const char* const kCommitDate;
const char* const kCommit = "@commit@";
const char* const kCommitDate = "@date@";
}  // namespace sr
]] @ONLY)
