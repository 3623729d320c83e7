include(CMakePackageConfigHelpers)

add_library(gradatim_gradatim INTERFACE)
add_library(gradatim::gradatim ALIAS gradatim_gradatim)
set_target_properties(gradatim_gradatim PROPERTIES EXPORT_NAME gradatim)
get_property(modules GLOBAL PROPERTY GRADATIM_MODULES)
target_link_libraries(gradatim_gradatim INTERFACE ${modules})

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/gradatim)
install(TARGETS gradatim_gradatim ${modules} EXPORT gradatimTargets)
install(EXPORT gradatimTargets NAMESPACE gradatim:: DESTINATION ${package_dir})
install(DIRECTORY include/gradatim DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
configure_package_config_file(cmake/gradatimConfig.cmake.in gradatimConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(gradatimConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/gradatimConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/gradatimConfigVersion.cmake DESTINATION ${package_dir})
