use std::time::Duration;

use super::*;

#[test]
fn full_success_is_zero_bytes() {
    assert_eq!(PartialSuccess::encode(None), b"");
    assert_eq!(PartialSuccess::decode(b""), Ok(None));
    assert_eq!(PartialSuccess::decode(&[0x0a, 0]), Ok(None), "there but empty is full success too");
}

#[test]
fn partial_success_reads_back() {
    for (rejected, message) in [(3, "3 spans rejected"), (0, "a warning"), (i64::MAX, "")] {
        let partial = PartialSuccess { rejected, message: message.to_owned() };
        assert_eq!(PartialSuccess::decode(&PartialSuccess::encode(Some(&partial))), Ok(Some(partial)));
    }
}

#[test]
fn a_status_reads_back_with_its_details() {
    let status = Status {
        code: 14,
        message: "the memory limit is reached".to_owned(),
        retry_after: Some(Duration::from_millis(1_500)),
        violations: vec![Violation { field: "Span.name".to_owned(), description: "not UTF-8".to_owned() }],
    };
    assert_eq!(Status::decode(&status.encode()), Ok(status));
}

#[test]
fn a_status_is_written_as_google_writes_it() {
    let status = Status { code: 8, retry_after: Some(Duration::from_secs(5)), ..Status::default() };
    let expected =
        b"\x08\x08\x1a\x30\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12\x04\x0a\x02\x08\x05";
    assert_eq!(status.encode(), expected);
}

#[test]
fn long_text_is_cut_at_a_character() {
    let message = "ä".repeat(TEXT_BYTES_MAX);
    let partial = PartialSuccess { rejected: 1, message };
    let read = PartialSuccess::decode(&PartialSuccess::encode(Some(&partial))).unwrap().unwrap();
    assert_eq!(read.message, "ä".repeat(TEXT_BYTES_MAX / 2));
}

#[test]
fn hostile_answers_are_refused_or_bounded() {
    assert_eq!(Status::decode(&[0x0a, 9, 0]), Err(NotAResponse));
    assert_eq!(PartialSuccess::decode(&[0xff]), Err(NotAResponse));
    let violations = vec![Violation::default(); 1_000];
    let many = Status { violations, ..Status::default() };
    assert_eq!(Status::decode(&many.encode()).unwrap().violations.len(), DETAILS_MAX);
    let mut negative = Writer::default();
    detail(&mut negative, RETRY_INFO, |out| out.message(1, |out| out.int(1, -5)));
    assert_eq!(Status::decode(negative.as_slice()).unwrap().retry_after, None);
}
