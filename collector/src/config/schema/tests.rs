use expect_test::expect_file;

use super::*;

/// Editors take the file from the repository; `phasor print-schema` prints the same.
#[test]
fn the_schema_in_the_repository_is_the_one_of_the_code() {
    // To write it anew: UPDATE_EXPECT=1 cargo test -p phasor --lib config::schema
    expect_file!["../schema.json"].assert_eq(&format!("{:#}\n", schema()));
}

#[test]
fn every_component_has_its_keys_in_the_schema() {
    let mut generator = SchemaSettings::draft07().into_generator();
    for component in COMPONENTS.iter().filter(|component| component.stability != Stability::Planned) {
        let known = of_component(component, &mut generator).is_some();
        assert!(known, "{} needs a line in `of_component`", component.name);
    }
}
