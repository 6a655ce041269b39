//! Whatever the bytes are: an answer, never a panic, and errors that have a place.

use proptest::prelude::*;

use super::*;

fn check_answers(text: &str) {
    if let Err(diagnostics) = read(text) {
        assert!(diagnostics.has_errors());
        for diagnostic in &diagnostics.0 {
            let place = diagnostic.place.as_ref().expect("every fault of a text has a place");
            assert!(place.line >= 1 && place.column >= 1);
        }
        let _ = diagnostics.to_string();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn any_text_gets_an_answer(text in any::<String>()) {
        check_answers(&text);
    }

    #[test]
    fn any_text_of_the_characters_of_yaml_gets_an_answer(text in "[-a-c:{}\\[\\]&*!|>'\"%@`,?#$0-9. \n\t~<]{0,120}") {
        check_answers(&text);
    }

    #[test]
    fn a_mutated_configuration_gets_an_answer(
        edits in prop::collection::vec((any::<prop::sample::Index>(), "[-a-c:{}\\[\\]&*!|>'\"%,?#$0-9 \n~<ö]{0,4}", 0..6_usize), 1..6)
    ) {
        let mut chars: Vec<char> = DEFAULT.chars().collect();
        for (at, insert, remove) in edits {
            let at = at.index(chars.len());
            let end = (at + remove).min(chars.len());
            chars.splice(at..end, insert.chars());
        }
        check_answers(&chars.into_iter().collect::<String>());
    }

    #[test]
    fn any_value_of_a_variable_gets_an_answer(value in any::<String>()) {
        let yaml = with("exporters", "  debug:\n    verbosity: ${env:V}\n  otlp:\n    endpoint: \"x${V}:1\"\n");
        let source = Source::Text { name: "phasor.yaml".to_owned(), text: yaml };
        let _ = load_with(&[source], &|name| (name == "V").then(|| value.clone())).map_err(|said| said.to_string());
    }
}
