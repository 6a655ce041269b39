//! `src/generated` is what the `.proto` file says. `PHASOR_REGENERATE=1 cargo test -p phasor-proto
//! --test generated` writes it anew.

use std::{fs, path::Path};

use prost::Message;

#[test]
fn generated_code_is_what_the_proto_file_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = root.join("src/generated");
    let fresh = tempfile::tempdir().unwrap();
    let files = protox::compile(["phasor/phases/v1/phases.proto"], [root]).unwrap();
    // Well-known types stand before ours in the set; reflection needs them.
    fs::write(fresh.path().join("phases.bin"), files.encode_to_vec()).unwrap();
    tonic_prost_build::configure().out_dir(fresh.path()).compile_fds(files).unwrap();
    for name in ["phasor.phases.v1.rs", "phases.bin"] {
        let made = fs::read(fresh.path().join(name)).unwrap();
        if std::env::var_os("PHASOR_REGENERATE").is_some() {
            fs::write(committed.join(name), &made).unwrap();
        }
        let kept = fs::read(committed.join(name)).unwrap_or_default();
        assert!(made == kept, "{name} differs; write it anew with PHASOR_REGENERATE=1");
    }
}
