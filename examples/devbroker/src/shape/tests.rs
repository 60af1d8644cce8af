use super::*;
use crate::samples;
use proptest::prelude::*;

const ENOUGH: usize = 100_000;

fn every_api_and_version() -> impl Iterator<Item = (Api, i16)> {
    Api::ALL.iter().flat_map(|&api| api.versions().map(move |version| (api, version)))
}

#[test]
fn the_layouts_agree_with_the_codec_in_every_version() {
    for (api, version) in every_api_and_version() {
        for n in 0..4 {
            for name in ["", "topic", &"x".repeat(200)] {
                let body = samples::body(api, version, name, n);
                let walked = check(api, version, &body, ENOUGH);
                assert_eq!(walked.map(|walked| walked.trailing), Ok(0), "{api} v{version}, {n} of {name:?}");
            }
        }
    }
}

#[test]
fn a_body_cut_short_anywhere_is_refused() {
    for (api, version) in every_api_and_version() {
        let body = samples::body(api, version, "topic", 2);
        for length in 0..body.len() {
            let cut = check(api, version, &body[..length], ENOUGH);
            assert_eq!(cut, Err(ShapeError::Truncated), "{api} v{version}, {length} of {}", body.len());
        }
    }
}

#[test]
fn a_count_that_the_frame_cannot_hold_is_refused() {
    // Metadata 0: one array of strings. The codec alone would reserve 150 GB for this.
    assert_eq!(
        check(Api::Metadata, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0], ENOUGH),
        Err(ShapeError::TooManyElements)
    );
    assert_eq!(check(Api::Metadata, 0, &[0, 0, 0xff, 0xff, 0, 0], ENOUGH), Err(ShapeError::Truncated));
    // The same in compact form.
    let compact = [0xff, 0xff, 0xff, 0xff, 0x0f, 1, 1, 1];
    assert_eq!(check(Api::Metadata, 9, &compact, ENOUGH), Err(ShapeError::TooManyElements));
    assert_eq!(check(Api::Metadata, 0, &[0x80, 0, 0, 0], ENOUGH), Err(ShapeError::Negative));
    assert_eq!(check(Api::FindCoordinator, 0, &[0x80, 0], ENOUGH), Err(ShapeError::Negative));
}

#[test]
fn elements_and_tagged_fields_are_counted_against_the_limit() {
    let body = samples::body(Api::DeleteTopics, 1, "t", 10);
    let counted = check(Api::DeleteTopics, 1, &body, 10).map(|walked| walked.elements);
    assert_eq!(counted, Ok(10));
    assert_eq!(check(Api::DeleteTopics, 1, &body, 9), Err(ShapeError::TooManyElements));

    // ApiVersions 3: two empty strings, three tagged fields of one byte.
    let tagged = [1, 1, 3, 0, 1, 7, 1, 1, 7, 2, 1, 7];
    assert_eq!(check(Api::ApiVersions, 3, &tagged, 3), Ok(Walked { elements: 3, trailing: 0 }));
    assert_eq!(check(Api::ApiVersions, 3, &tagged, 2), Err(ShapeError::TooManyElements));
}

#[test]
fn bytes_after_the_last_field_are_let_pass() {
    let mut body = samples::body(Api::Metadata, 9, "t", 1);
    body.push(0);
    assert_eq!(check(Api::Metadata, 9, &body, ENOUGH).map(|walked| walked.trailing), Ok(1));
}

proptest! {
    #[test]
    fn no_bytes_make_the_walk_panic_or_count_beyond_its_limit(
        at in any::<prop::sample::Index>(),
        body in prop::collection::vec(any::<u8>(), 0..200),
        limit in 0usize..50,
    ) {
        let all: Vec<_> = every_api_and_version().collect();
        let (api, version) = all[at.index(all.len())];
        if let Ok(walked) = check(api, version, &body, limit) {
            prop_assert!(walked.elements <= limit && walked.trailing <= body.len());
        }
    }
}
