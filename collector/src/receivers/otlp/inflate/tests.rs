use std::io::Write;

use super::*;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    zstd::encode_all(plain, 3).unwrap()
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn deflate(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn snappy_block(plain: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(plain).unwrap()
}

fn snappy_frames(plain: &[u8]) -> Vec<u8> {
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(plain).unwrap();
    encoder.flush().unwrap();
    encoder.into_inner().unwrap()
}

type Encode = fn(&[u8]) -> Vec<u8>;

const ALL: [(Encoding, Encode); 6] = [
    (Encoding::Gzip, gzip),
    (Encoding::Zstd, zstd),
    (Encoding::Zlib, zlib),
    (Encoding::Zlib, deflate),
    (Encoding::Snappy, snappy_block),
    (Encoding::Snappy, snappy_frames),
];

async fn check(encoding: Encoding, compressed: &[u8], bytes_max: usize, expected: Result<&[u8], &str>) {
    let admission = Admission::new(4 << 20);
    let inflater = Inflater::new(admission.clone());
    let result = inflater.inflate(encoding, &Bytes::copy_from_slice(compressed), bytes_max).await;
    let result = result.map(|buffer| buffer.freeze().0);
    match (result, expected) {
        (Ok(bytes), Ok(expected)) => assert_eq!(bytes, expected),
        (Err(InflateError::Full(full)), Err(expected)) => assert_eq!(format!("{full:?}"), expected),
        (Err(InflateError::Corrupt(_)), Err(expected)) => assert_eq!("Corrupt", expected),
        (result, expected) => {
            let lengths = (result.map(|bytes| bytes.len()), expected.map(<[u8]>::len));
            panic!("{encoding:?}: {lengths:?}");
        }
    }
    assert_eq!(admission.bytes_in_use(), 0);
}

#[tokio::test]
async fn every_coding_gives_back_what_went_in() {
    let noise: Vec<u8> = (0..600_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (encoding, encode) in ALL {
        for plain in [&b"a"[..], &[7; 511], &[7; 512], &[7; 513], &[7; 100_000], &noise] {
            check(encoding, &encode(plain), 600_000, Ok(plain)).await;
        }
    }
    for (encoding, encode) in &ALL[..5] {
        check(*encoding, &encode(b""), 0, Ok(b"")).await;
    }
}

#[tokio::test]
async fn members_in_a_row_are_one_body() {
    for (encoding, encode) in [ALL[0], ALL[1], ALL[5]] {
        check(encoding, &[encode(b"one "), encode(b"two")].concat(), 100, Ok(b"one two")).await;
    }
}

#[tokio::test]
async fn a_body_may_reach_the_limit_but_not_pass_it() {
    for (encoding, encode) in ALL {
        let encoded = encode(&[1; 1_000]);
        check(encoding, &encoded, 1_000, Ok(&[1; 1_000])).await;
        check(encoding, &encoded, 999, Err("Limit")).await;
        check(encoding, &encoded, 0, Err("Limit")).await;
    }
}

#[tokio::test]
async fn a_bomb_stops_at_the_budget() {
    for (encoding, encode) in ALL {
        check(encoding, &encode(&vec![0; 8 << 20]), usize::MAX, Err("Never")).await;
    }
}

#[tokio::test]
async fn what_fits_when_others_are_done_may_come_again() {
    for (encoding, encode) in ALL {
        let admission = Admission::new(4 << 20);
        let others = admission.try_acquire(3 << 20).unwrap();
        let inflater = Inflater::new(admission);
        let body = Bytes::from(encode(&vec![0; 3 << 19]));
        let refused = inflater.inflate(encoding, &body, usize::MAX).await;
        assert!(matches!(refused, Err(InflateError::Full(Full::Budget))), "{encoding:?}");
        drop(others);
        let taken = inflater.inflate(encoding, &body, usize::MAX).await.unwrap();
        assert_eq!(taken.len(), 3 << 19, "{encoding:?}");
    }
}

#[tokio::test]
async fn what_is_not_compressed_is_corrupt() {
    for (encoding, encode) in ALL {
        check(encoding, b"certainly not compressed", 100, Err("Corrupt")).await;
        let whole = encode(b"some text that is long enough, and again some text that is long enough");
        for cut in 1..whole.len() {
            if whole[..cut] == *b"\xff\x06\x00\x00sNaPpY" {
                // Frames have no end: this is a whole stream of none.
                continue;
            }
            check(encoding, &whole[..cut], 100, Err("Corrupt")).await;
        }
        check(encoding, &[&whole[..], b"tail"].concat(), 100, Err("Corrupt")).await;
    }
    check(Encoding::Gzip, b"", 100, Err("Corrupt")).await;
}

#[tokio::test]
async fn a_snappy_block_that_announces_more_than_it_can_hold_takes_nothing() {
    // The length 2^32 - 1, then one literal.
    check(Encoding::Snappy, b"\xff\xff\xff\xff\x0f\x00a", usize::MAX, Err("Corrupt")).await;
    check(Encoding::Snappy, b"\xff\xff\xff\xff\xff\xff\x0f\x00a", usize::MAX, Err("Corrupt")).await;
    // Within the ratio, and still not there.
    check(Encoding::Snappy, b"\x40\x00abcdef", 100, Err("Corrupt")).await;
}

#[tokio::test]
async fn a_zstd_frame_may_not_ask_for_a_huge_window() {
    // Magic, descriptor without content size, window descriptor of 1 GiB.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0x01, 0x00, 0x00];
    check(Encoding::Zstd, &frame, 100, Err("Corrupt")).await;
}

#[tokio::test]
async fn what_is_larger_than_a_slice_leaves_turns_to_others() {
    let turns = std::cell::Cell::new(0);
    let count_turns = async {
        loop {
            turns.set(turns.get() + 1);
            yield_now().await;
        }
    };
    let inflater = Inflater::new(Admission::new(64 << 20));
    let compressed = Bytes::from(gzip(&vec![0; 16 * SLICE_BYTES]));
    let inflated = tokio::select! {
        biased;
        inflated = inflater.inflate(Encoding::Gzip, &compressed, 64 << 20) => inflated.unwrap(),
        () = count_turns => unreachable!("it counts for ever"),
    };
    assert_eq!(inflated.len(), 16 * SLICE_BYTES);
    assert!(turns.get() >= 15, "{}", turns.get());
}

#[tokio::test]
async fn a_frame_that_announces_too_much_is_refused_unread() {
    let honest = zstd::bulk::compress(&[0; 5_000], 3).unwrap();
    let cut = &honest[..honest.len() - 1];
    check(Encoding::Zstd, cut, 4_999, Err("Limit")).await;
}
