# Flags every target of the project is compiled with, and none that uses it is.
add_library(gradatim_options INTERFACE)
target_compile_options(
  gradatim_options
  INTERFACE -Wall -Wextra -Wconversion -Wshadow -Wpedantic
            # Products and sums are rounded as written, on every processor (docs/principles.md, P4).
            -ffp-contract=off $<$<BOOL:${GRADATIM_WERROR}>:-Werror>)
if(GRADATIM_SANITIZED)
  target_compile_definitions(gradatim_options INTERFACE GRADATIM_SANITIZED=1)
endif()

# gradatim_module(NAME [SOURCES ...] [PUBLIC ...] [PRIVATE ...])
# The library of src/NAME with the public headers of include/gradatim/NAME.
function(gradatim_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  set(target gradatim_${name})
  if(ARG_SOURCES)
    add_library(${target} ${ARG_SOURCES})
    set(scope PUBLIC)
    target_link_libraries(${target} PRIVATE ${ARG_PRIVATE} $<BUILD_INTERFACE:gradatim_options>)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(gradatim::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON)
  target_compile_features(${target} ${scope} cxx_std_20)
  target_include_directories(
    ${target} ${scope} $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${target} ${scope} ${ARG_PUBLIC})
  set_property(GLOBAL APPEND PROPERTY GRADATIM_MODULES ${target})
endfunction()

# How tests are compiled. What they test is optimised as users get it; to optimise the tests as well
# takes longer than to run them. UBSan's looks for null and unaligned pointers at each access double
# the time that templates take to compile: the libraries have them, the tests, with what they
# instantiate of headers, have not. A null pointer that is read stops under ASan all the same.
function(gradatim_compile_test name)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  if(GRADATIM_SANITIZED AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${name} PRIVATE -fno-sanitize=null,alignment)
  endif()
  target_link_libraries(${name} PRIVATE ${ARGN} gradatim_test_support gradatim_options fmt::fmt
                                        GTest::gtest)
endfunction()

# gradatim_test_objects(NAME SOURCES ... [LIBRARIES ...]): tests that several executables contain.
function(gradatim_test_objects name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_library(${name} OBJECT ${ARG_SOURCES})
  gradatim_compile_test(${name} ${ARG_LIBRARIES})
endfunction()

# gradatim_test(NAME SOURCES ... [LIBRARIES ...]): one executable, one ctest a GoogleTest case.
function(gradatim_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  gradatim_compile_test(${name} ${ARG_LIBRARIES})
  target_link_libraries(${name} PRIVATE GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 600)
endfunction()
