//! Keys of extensions.

use super::*;

#[test]
fn a_path_of_health_without_a_slash() {
    check(
        &with("extensions", "  health_check: {path: health}\n"),
        expect![[r#"
        error: `path` must begin with `/`
           --> phasor.yaml:13:24
            |
         13 |   health_check: {path: health}
            |                        ^^^^^^
            = path: extensions.health_check.path

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_switch_that_is_a_word() {
    check(
        &with("extensions", "  file_storage: {fsync: maybe}\n"),
        expect![[r#"
        error: expected `true` or `false`, found the text `maybe`
           --> phasor.yaml:13:25
            |
         13 |   file_storage: {fsync: maybe}
            |                         ^^^^^
            = path: extensions.file_storage.fsync

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_directory_that_is_a_mapping() {
    check(
        &with("extensions", "  file_storage: {directory: {path: /x}}\n"),
        expect![[r#"
            error: expected a path, found a mapping
               --> phasor.yaml:13:18
                |
             13 |   file_storage: {directory: {path: /x}}
                |                  ^^^^^^^^^
                = path: extensions.file_storage.directory

            1 error in the configuration
        "#]],
    );
}

#[test]
fn an_extension_that_is_unknown() {
    check(
        &with("extensions", "  pprof: {}\n"),
        expect![[r#"
            error: the extension `pprof` is a component of the Collector that Phasor does not have
               --> phasor.yaml:13:3
                |
             13 |   pprof: {}
                |   ^^^^^
                = path: extensions.pprof
                = help: `phasor components` lists what there is

            1 error in the configuration
        "#]],
    );
}
