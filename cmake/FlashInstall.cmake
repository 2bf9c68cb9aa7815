# cmake --install: the headers, the static libraries of the components that were built, and what find_package(Flash)
# and pkg-config read.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(exported flash_options flash_base flash_lattice flash_scheme flash_model flash_model_proto flash_packing
             flash_transport flash_protocol flash_data flash_api_common)
foreach(component client server compiler)
  if(component IN_LIST FLASH_COMPONENTS)
    list(APPEND exported flash_api_${component})
  endif()
endforeach()
if("compiler" IN_LIST FLASH_COMPONENTS)
  list(APPEND exported flash_planner flash_compiler flash_onnx_proto)
endif()
install(TARGETS ${exported} EXPORT FlashTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}/flash COMPONENT library)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/flash DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT library)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/Flash)
install(EXPORT FlashTargets NAMESPACE Flash:: DESTINATION ${package} COMPONENT library)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/FlashConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/FlashConfig.cmake INSTALL_DESTINATION ${package})
# Before 1.0 a new minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/FlashConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/FlashConfig.cmake ${PROJECT_BINARY_DIR}/FlashConfigVersion.cmake
        DESTINATION ${package} COMPONENT library)

# From the folder of the .pc files to the prefix: an installed tree may be moved.
file(RELATIVE_PATH FLASH_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
# Static libraries in the order in which a linker wants them.
set(FLASH_PC_COMMON "-lflash_api_common -lflash_data -lflash_protocol -lflash_transport -lflash_packing -lflash_model \
-lflash_model_proto -lflash_scheme -lflash_lattice -lflash_base")
set(FLASH_PC_client "-lflash_api_client ${FLASH_PC_COMMON}")
set(FLASH_PC_server "-lflash_api_server ${FLASH_PC_COMMON}")
set(FLASH_PC_compiler "-lflash_api_compiler -lflash_compiler -lflash_planner -lflash_api_server ${FLASH_PC_COMMON} \
-lonnx -lonnx_proto")
foreach(component client server compiler)
  if(component IN_LIST FLASH_COMPONENTS)
    set(FLASH_PC_LIBS ${FLASH_PC_${component}})
    configure_file(${PROJECT_SOURCE_DIR}/cmake/flash.pc.in ${PROJECT_BINARY_DIR}/flash-${component}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/flash-${component}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
            COMPONENT library)
  endif()
endforeach()
