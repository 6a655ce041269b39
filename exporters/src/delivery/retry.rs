//! What a destination's refusal means, and what is done about it: one table.
//!
//! - **In:** a gRPC status code or an HTTP status, and the delay the destination asked for, if it did.
//! - **Out:** an [`Action`] and the code's name.
//! - **Guaranteed:** every code has a row; a code nobody has heard of is refused for good, because
//!   the same bytes would meet the same answer.
//! - **Not here:** how long to wait on our own account ([`super::backoff`]).

use std::time::Duration;

/// What is done about a request that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sent again, not before `after` if the destination named a delay.
    Retry {
        /// The destination's own wish.
        after: Option<Duration>,
    },
    /// Cut in half and sent again in parts; a single item is given up.
    Split,
    /// Given up, and counted.
    GiveUp,
}

/// What a code says about the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// A passing condition.
    Passing,
    /// Out of resources: passing if a delay is named, else the request is too large.
    Exhausted,
    /// The same request will never be taken.
    Final,
}

/// The action for a gRPC status code other than `OK`, and the code's name.
pub fn grpc(code: i32, after: Option<Duration>) -> (Action, &'static str) {
    let row = GRPC.iter().find(|row| row.0 == code);
    let (name, meaning) = row.map_or((UNASSIGNED, Meaning::Final), |row| (row.1, row.2));
    let action = match (meaning, after) {
        (Meaning::Passing, after) => Action::Retry { after },
        (Meaning::Exhausted, Some(_)) => Action::Retry { after },
        (Meaning::Exhausted, None) => Action::Split,
        (Meaning::Final, _) => Action::GiveUp,
    };
    (action, name)
}

/// The action for an HTTP status outside 200 to 299, and its name.
///
/// A request that is too large is not sent again; its halves are, which are other requests.
pub fn http(status: u16, after: Option<Duration>) -> (Action, &'static str) {
    let row = HTTP.iter().find(|row| row.0 == status);
    let name = row.map_or_else(|| class(status), |row| row.1);
    let action = match status {
        429 | 502 | 503 | 504 => Action::Retry { after },
        413 => Action::Split,
        _ => Action::GiveUp,
    };
    (action, name)
}

fn class(status: u16) -> &'static str {
    match status {
        300..=399 => HTTP_3XX,
        400..=499 => HTTP_4XX,
        500..=599 => HTTP_5XX,
        _ => UNASSIGNED,
    }
}

/// The number of a gRPC code by its name, or of the one that means the same; `INTERNAL` for what went wrong on our
/// side.
pub(super) fn number(name: &str) -> i32 {
    match name {
        TOO_LARGE => 8,
        HTTP_4XX => 3,
        _ => {
            let grpc = GRPC.iter().map(|row| (row.1, row.0));
            let http = HTTP.iter().map(|row| (row.1, row.2));
            grpc.chain(http).find(|row| row.0 == name).map_or(13, |row| row.1)
        }
    }
}

/// Every code that a destination can cost data with that speaks gRPC.
pub fn grpc_names() -> Vec<&'static str> {
    GRPC.iter().map(|row| row.1).chain([UNASSIGNED]).collect()
}

/// Every code that a destination can cost data with that speaks HTTP.
pub fn http_names() -> Vec<&'static str> {
    let way = [UNAVAILABLE, DEADLINE_EXCEEDED, UNASSIGNED, HTTP_3XX, HTTP_4XX, HTTP_5XX];
    HTTP.iter().map(|row| row.1).chain(way).collect()
}

/// Every code that data can be given up with on our own account.
pub(super) const OWN: [&str; 4] = [TOO_LARGE, ANSWER_TOO_LARGE, PARTIAL_SUCCESS, FAULT];
/// The way to the destination has failed.
pub(crate) const UNAVAILABLE: &str = "UNAVAILABLE";
/// The time of an attempt was over.
pub(crate) const DEADLINE_EXCEEDED: &str = "DEADLINE_EXCEEDED";
const HTTP_3XX: &str = "HTTP_3XX";
const HTTP_4XX: &str = "HTTP_4XX";
const HTTP_5XX: &str = "HTTP_5XX";

/// A code that gRPC does not know.
const UNASSIGNED: &str = "UNASSIGNED";
/// The code of an answer that is too large to be read.
pub(crate) const ANSWER_TOO_LARGE: &str = "ANSWER_TOO_LARGE";
/// The code of an item that is too large to be sent at all.
pub(super) const TOO_LARGE: &str = "TOO_LARGE";
/// The code of items that the destination left out of a request it took.
pub(super) const PARTIAL_SUCCESS: &str = "PARTIAL_SUCCESS";
/// The code of a request that was lost by a fault of ours.
pub(super) const FAULT: &str = "FAULT";

/// HTTP statuses that have a name of their own, and the gRPC code that says the same. What is done about them: OTLP,
/// *Retryable Response Codes*.
const HTTP: [(u16, &str, i32); 19] = [
    (400, "HTTP_400", 3),
    (401, "HTTP_401", 16),
    (402, "HTTP_402", 9),
    (403, "HTTP_403", 7),
    (404, "HTTP_404", 5),
    (405, "HTTP_405", 12),
    (406, "HTTP_406", 3),
    (408, "HTTP_408", 3),
    (411, "HTTP_411", 3),
    (413, "HTTP_413", 8),
    (415, "HTTP_415", 3),
    (422, "HTTP_422", 3),
    (429, "HTTP_429", 14),
    (431, "HTTP_431", 3),
    (500, "HTTP_500", 13),
    (501, "HTTP_501", 12),
    (502, "HTTP_502", 14),
    (503, "HTTP_503", 14),
    (504, "HTTP_504", 14),
];

/// OTLP, *OTLP/gRPC Response*, *Failures*: the table of retryable codes.
const GRPC: [(i32, &str, Meaning); 16] = [
    (1, "CANCELLED", Meaning::Passing),
    (2, "UNKNOWN", Meaning::Final),
    (3, "INVALID_ARGUMENT", Meaning::Final),
    (4, "DEADLINE_EXCEEDED", Meaning::Passing),
    (5, "NOT_FOUND", Meaning::Final),
    (6, "ALREADY_EXISTS", Meaning::Final),
    (7, "PERMISSION_DENIED", Meaning::Final),
    (8, "RESOURCE_EXHAUSTED", Meaning::Exhausted),
    (9, "FAILED_PRECONDITION", Meaning::Final),
    (10, "ABORTED", Meaning::Passing),
    (11, "OUT_OF_RANGE", Meaning::Passing),
    (12, "UNIMPLEMENTED", Meaning::Final),
    (13, "INTERNAL", Meaning::Final),
    (14, "UNAVAILABLE", Meaning::Passing),
    (15, "DATA_LOSS", Meaning::Passing),
    (16, "UNAUTHENTICATED", Meaning::Final),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(codes: &[i32], after: Option<Duration>, action: Action) {
        for &code in codes {
            assert_eq!(grpc(code, after).0, action, "code {code}");
        }
    }

    #[test]
    fn o_c1_passing_codes_are_sent_again() {
        check(&[1, 4, 10, 11, 14, 15], None, Action::Retry { after: None });
    }

    #[test]
    fn o_c2_final_codes_are_given_up_even_with_a_delay() {
        check(&[2, 3, 5, 6, 7, 9, 12, 13, 16], None, Action::GiveUp);
        check(&[2, 3, 5, 6, 7, 9, 12, 13, 16], Some(Duration::from_secs(1)), Action::GiveUp);
    }

    #[test]
    fn o_c3_exhausted_waits_if_told_and_splits_if_not() {
        let after = Some(Duration::from_secs(2));
        check(&[8], after, Action::Retry { after });
        check(&[8], None, Action::Split);
    }

    #[test]
    fn o_c5_o_c6_http_statuses_are_read_by_their_table() {
        let after = Some(Duration::from_secs(7));
        for status in 100..=999 {
            let (action, name) = http(status, after);
            let expected = match status {
                429 | 502 | 503 | 504 => Action::Retry { after },
                413 => Action::Split,
                _ => Action::GiveUp,
            };
            assert_eq!(action, expected, "{status}");
            assert!(
                http_names().contains(&name),
                "{status} is counted as {name}, which is shown before it happens"
            );
        }
        assert_eq!((http(418, None).1, http(599, None).1, http(302, None).1), (HTTP_4XX, HTTP_5XX, HTTP_3XX));
        assert_eq!(["HTTP_401", "HTTP_503", HTTP_4XX, HTTP_5XX, FAULT].map(number), [16, 14, 3, 13, 13]);
    }

    #[test]
    fn codes_outside_the_table_are_given_up() {
        check(&[17, 99, -1, i32::MAX], None, Action::GiveUp);
    }
}
