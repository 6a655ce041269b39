//! The page, from data a stranger could have a hand in.

use super::{
    html,
    snapshot::{
        Component, Exit, Fares, JournalNumbers, LastError, Listener, Loop, Memory, Pipeline, Snapshot,
    },
};

fn fares(message: &str) -> Fares {
    Fares {
        status: "StatusRecoverableError",
        since: "2026-11-21T00:00:00Z".to_owned(),
        last_error: Some(LastError {
            message: message.to_owned(),
            at: "2026-11-21T00:00:00Z".to_owned(),
            age_seconds: 12.4,
        }),
    }
}

fn snapshot(words: &str) -> Snapshot {
    let exit = Exit {
        id: format!("otlp_grpc/{words}"),
        kind: "exporter",
        sent: 1,
        failed: 2,
        dropped: 3,
        retries: 4,
        lag_bytes: 5,
        lag_bytes_max: 6,
        fares: fares(words),
    };
    Snapshot {
        service: "phasor",
        version: "1",
        status: "StatusOK",
        ready: true,
        reason: None,
        started_at: "2026-11-21T00:00:00Z".to_owned(),
        uptime_seconds: 1.0,
        listeners: vec![Listener { name: "health".to_owned(), address: "127.0.0.1:1".to_owned() }],
        pipelines: vec![Pipeline {
            name: format!("traces/{words}"),
            signal: "traces",
            mode: "durable",
            receivers: Vec::new(),
            processors: Vec::new(),
            exporters: vec![exit],
        }],
        components: vec![Component { id: words.to_owned(), kind: "exporter", fares: fares(words) }],
        journal: JournalNumbers {
            disk_bytes: 0,
            segments: 0,
            tail_bytes: 0,
            queued_bytes: 0,
            appended: 0,
            refused: 0,
            unreadable: 0,
            read_only: false,
            refusing: false,
        },
        cursors: Vec::new(),
        memory: Memory { bytes: 0, bytes_max: 0, parts: Vec::new() },
        loops: vec![Loop { name: words.to_owned(), live: false, silent_seconds: 31.0 }],
    }
}

#[test]
fn words_of_others_are_text_and_never_markup() {
    let page = html::page(&snapshot("<script>alert('\"&\u{1b}[2J\n"));
    assert!(!page.contains("<script") && !page.contains('\u{1b}'), "{page}");
    let escaped = "&lt;script&gt;alert(&#39;&quot;&amp;\\u{1b}[2J\\n";
    assert_eq!(page.matches(escaped).count(), 7, "{page}");
}

#[test]
fn the_page_tells_what_passed_each_edge_and_what_went_wrong() {
    let page = html::page(&snapshot("down"));
    let row = "<tr><td>otlp_grpc/down</td><td>exporter</td><td></td><td>1</td><td></td><td>2</td><td>3</td><td>4</td>\
               <td>5 of 6 B</td><td>StatusRecoverableError</td><td>down (12 s ago)</td></tr>";
    assert!(page.contains(row), "{page}");
    assert!(page.contains("<b>down has made no progress for 31 s.</b>"), "{page}");
    assert!(!page.contains("src=") && !page.contains("<link"), "nothing is loaded: {page}");
}
