# The program's installation (component "program"), and its Debian package:
# `cmake --build build/release --target package` makes build/release/flash_VERSION_ARCHITECTURE.deb.
include(GNUInstallDirs)

add_custom_command(
  OUTPUT ${PROJECT_BINARY_DIR}/flash.1 ${PROJECT_BINARY_DIR}/flash.bash
  COMMAND ${PROJECT_SOURCE_DIR}/packaging/manual $<TARGET_FILE:flash> ${PROJECT_BINARY_DIR}
  DEPENDS flash ${PROJECT_SOURCE_DIR}/packaging/manual
  COMMENT "Manual page and completion")
add_custom_target(manual ALL DEPENDS ${PROJECT_BINARY_DIR}/flash.1 ${PROJECT_BINARY_DIR}/flash.bash)

set(packaging ${PROJECT_SOURCE_DIR}/packaging)
install(TARGETS flash RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
install(FILES ${PROJECT_BINARY_DIR}/flash.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT program)
install(FILES ${PROJECT_BINARY_DIR}/flash.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
        RENAME flash COMPONENT program)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md
              ${packaging}/haproxy/haproxy.cfg ${packaging}/kubernetes/flash.yaml ${packaging}/grafana/flash.json
        DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program)
# In the package only: an installation under another prefix has no business in /etc or with the system's services.
install(FILES ${packaging}/flash.service DESTINATION lib/systemd/system COMPONENT system EXCLUDE_FROM_ALL)
install(FILES ${packaging}/flash.toml DESTINATION /etc/flash COMPONENT system EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL program system)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PACKAGE_NAME flash)
set(CPACK_PACKAGE_CONTACT "The Flash authors <flash@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_STRIP_FILES TRUE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "passwd")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)
file(WRITE ${PROJECT_BINARY_DIR}/conffiles "/etc/flash/flash.toml\n")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${packaging}/debian/postinst ${packaging}/debian/prerm
    ${packaging}/debian/postrm ${PROJECT_BINARY_DIR}/conffiles)
include(CPack)
