# Installation, and the Debian package: `cmake --build build/release --target package` makes flash_VERSION_ARCH.deb.
include(GNUInstallDirs)

add_custom_command(
  OUTPUT ${PROJECT_BINARY_DIR}/flash.1 ${PROJECT_BINARY_DIR}/flash.bash
  COMMAND ${PROJECT_SOURCE_DIR}/packaging/manual $<TARGET_FILE:flash> ${PROJECT_BINARY_DIR}
  DEPENDS flash ${PROJECT_SOURCE_DIR}/packaging/manual
  COMMENT "Manual page and completion")
add_custom_target(manual ALL DEPENDS ${PROJECT_BINARY_DIR}/flash.1 ${PROJECT_BINARY_DIR}/flash.bash)

set(packaging ${PROJECT_SOURCE_DIR}/packaging)
install(TARGETS flash RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${PROJECT_BINARY_DIR}/flash.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${PROJECT_BINARY_DIR}/flash.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
        RENAME flash)
install(FILES ${packaging}/flash.service DESTINATION lib/systemd/system)
install(FILES ${packaging}/flash.toml DESTINATION ${CMAKE_INSTALL_SYSCONFDIR}/flash)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md
              ${packaging}/haproxy/haproxy.cfg ${packaging}/kubernetes/flash.yaml ${packaging}/grafana/flash.json
        DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME flash)
set(CPACK_PACKAGE_CONTACT "The Flash authors <flash@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_FILE_NAME flash_${PROJECT_VERSION}_amd64)
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
