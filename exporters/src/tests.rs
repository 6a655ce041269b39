use serde::de::value::{Error, MapDeserializer};

use super::*;

#[test]
fn every_kind_can_be_read_and_knows_its_name() {
    for kind in KINDS {
        let empty = MapDeserializer::<_, Error>::new(std::iter::empty::<(String, String)>());
        assert_eq!(deserialize(kind, empty).unwrap().kind(), *kind);
    }
}

#[test]
fn an_unknown_kind_is_named_with_those_there_are() {
    let empty = MapDeserializer::<_, Error>::new(std::iter::empty::<(String, String)>());
    let error = deserialize("kafka", empty).unwrap_err().to_string();
    assert!(error.contains("kafka") && KINDS.iter().all(|kind| error.contains(kind)), "{error}");
}
