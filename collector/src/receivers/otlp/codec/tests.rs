use std::io::Write;

use http_body_util::{BodyExt, StreamBody};

use super::*;

/// A body that arrives in the given pieces.
fn body(pieces: &[&[u8]]) -> impl Body<Data = Bytes, Error = Infallible> {
    let frames: Vec<_> = pieces.iter().map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    StreamBody::new(futures_util::stream::iter(frames))
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag], &(message.len() as u32).to_be_bytes()[..], message].concat()
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// Reads with a limit of 100 bytes and a budget of 150; nothing may stay admitted without a permit.
async fn check(pieces: &[&[u8]], encoding: Option<Encoding>, expected: Result<&[u8], &str>) {
    let admission = Admission::new(150);
    let inflater = Inflater::new(admission.clone());
    match (read_message(body(pieces), encoding, &inflater, 100).await, expected) {
        (Ok((bytes, permit)), Ok(expected)) => {
            assert_eq!(bytes, expected);
            assert_eq!(permit.bytes(), expected.len() as u64);
        }
        (Err(decline), Err(expected)) => assert_eq!(decline.to_string(), expected),
        (result, expected) => panic!("{result:?}, expected {expected:?}"),
    }
    assert_eq!(admission.bytes_in_use(), 0);
}

#[tokio::test]
async fn a_message_may_arrive_in_any_pieces() {
    let whole = framed(0, b"hello world");
    check(&[&whole], None, Ok(b"hello world")).await;
    for cut in 0..whole.len() {
        check(&[&whole[..cut], &whole[cut..]], None, Ok(b"hello world")).await;
    }
    let bytes: Vec<_> = whole.chunks(1).collect();
    check(&bytes, None, Ok(b"hello world")).await;
    check(&[&framed(0, b"")], None, Ok(b"")).await;
}

#[tokio::test]
async fn a_compressed_message_is_inflated() {
    check(&[&framed(1, &gzip(&[7; 100]))], Some(Encoding::Gzip), Ok(&[7; 100])).await;
    check(&[&framed(1, &zstd::encode_all(&[7; 100][..], 0).unwrap())], Some(Encoding::Zstd), Ok(&[7; 100]))
        .await;
    check(&[&framed(0, b"plain all the same")], Some(Encoding::Gzip), Ok(b"plain all the same")).await;
}

#[tokio::test]
async fn an_announced_length_over_the_limit_is_refused_before_it_arrives() {
    let announcement = &framed(0, &[0; 101])[..5];
    check(
        &[announcement],
        None,
        Err("the request has more than 100 bytes, which is the limit of this receiver"),
    )
    .await;
    let announcement = [0, 0xff, 0xff, 0xff, 0xff];
    check(
        &[&announcement],
        None,
        Err("the request has more than 100 bytes, which is the limit of this receiver"),
    )
    .await;
}

#[tokio::test]
async fn what_inflates_over_the_limit_is_refused() {
    for (encoding, bomb) in
        [(Encoding::Gzip, gzip(&[0; 101])), (Encoding::Zstd, zstd::encode_all(&[0; 101][..], 0).unwrap())]
    {
        let expected = "the request has more than 100 bytes, which is the limit of this receiver";
        check(&[&framed(1, &bomb)], Some(encoding), Err(expected)).await;
    }
}

#[tokio::test]
async fn an_announced_length_over_the_budget_is_refused_before_it_arrives() {
    let admission = Admission::new(150);
    let _others = admission.try_acquire(100).unwrap();
    let announcement = framed(0, &[0; 51]);
    let inflater = Inflater::new(admission.clone());
    let decline = read_message(body(&[&announcement[..5]]), None, &inflater, 100).await.unwrap_err();
    assert!(decline.retry_after().is_some(), "{decline}");
    assert_eq!(admission.bytes_in_use(), 100);
}

#[tokio::test]
async fn what_is_not_one_message_is_refused() {
    let one = framed(0, b"one");
    check(&[], None, Err(ONE_MESSAGE)).await;
    check(&[&one[..4]], None, Err(ONE_MESSAGE)).await;
    check(&[&one, &one], None, Err(ONE_MESSAGE)).await;
    check(&[&one, b"x"], None, Err(ONE_MESSAGE)).await;
    check(&[&one[..7]], None, Err("the body ended early")).await;
    check(&[&framed(2, b"one")], None, Err("the compressed flag of a message is 0 or 1")).await;
    check(&[&framed(1, b"one")], None, Err("the message is compressed, but there is no grpc-encoding")).await;
}

#[tokio::test]
async fn a_reply_is_one_frame_and_the_status() {
    let collected = Reply::ok(b"ok").collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(collected.to_bytes(), framed(0, b"ok"));
}
