//! Item 14 of the checklist: command data block messaging, passwords, firmware.

#![expect(clippy::unwrap_used, reason = "a bench that does not work fails its test")]

mod common;

use common::raw::Raw;
use ipowdm_cmis::access::{TransportError, Window};
use ipowdm_cmis::emulator::Profile;

/// A message with its check code.
fn message(command: u16, lpl: &[u8], epl_len: u16) -> Vec<u8> {
    let mut head = Vec::new();
    head.extend(command.to_be_bytes());
    head.extend(epl_len.to_be_bytes());
    head.push(u8::try_from(lpl.len()).unwrap());
    let sum = head.iter().chain(lpl).fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    head.extend([!sum, 0, 0]);
    head.extend(lpl);
    head
}

/// Writes a message, its CMDID last, and returns without waiting.
fn send(raw: &mut Raw, bytes: &[u8]) {
    raw.page(0x9F);
    for (index, chunk) in bytes[2..].chunks(8).enumerate() {
        raw.write(130 + 8 * u8::try_from(index).unwrap(), chunk);
    }
    raw.write(128, &bytes[..2]);
}

/// Sends a message and waits for its result: status byte and reply.
fn ask(raw: &mut Raw, command: u16, lpl: &[u8]) -> (u8, Vec<u8>) {
    send(raw, &message(command, lpl, 0));
    let mut status = raw.byte(37);
    while status & 0x80 != 0 {
        raw.clock.advance(10);
        status = raw.byte(37);
    }
    let [len, check] = raw.of(0x9F, 134);
    let reply: [u8; 120] = raw.read(136);
    let reply = reply[..usize::from(len)].to_vec();
    if status == 0x01 {
        assert_eq!(check, !reply.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)), "reply check code");
    }
    (status, reply)
}

#[test]
fn item_14_a_foreground_module_acknowledges_nothing_until_it_is_done() {
    let mut raw = Raw::new(Profile::ZR400);
    let size = 4_096_u32.to_be_bytes();
    let mut lpl = size.to_vec();
    lpl.extend([0; 4]);
    send(&mut raw, &message(0x0101, &lpl, 0));
    let begun = raw.clock.clone();
    assert_eq!(raw.window.read(0, &mut [0]), Err(TransportError::Busy));
    begun.advance(2_900);
    assert_eq!(raw.window.read(37, &mut [0]), Err(TransportError::Busy), "3 s of erasing");
    begun.advance(110);
    assert_eq!(raw.byte(37), 0x01, "success");
    assert_eq!(raw.byte(8) & 0x40, 0x40, "command complete");
    assert_eq!(raw.byte(8) & 0x40, 0, "cleared by the read");
}

#[test]
fn item_14_a_background_module_says_busy_and_takes_an_abort() {
    let mut raw = Raw::new(Profile::OPENZRP);
    let mut lpl = 4_096_u32.to_be_bytes().to_vec();
    lpl.extend([0; 4]);
    send(&mut raw, &message(0x0101, &lpl, 0));
    assert_eq!(raw.byte(37), 0x83, "busy, processing");
    assert_eq!(raw.byte(0), 0x18, "everything else is readable");
    // Another message meanwhile is not taken.
    send(&mut raw, &message(0x0041, &[], 0));
    assert_eq!(raw.byte(37), 0x83);
    send(&mut raw, &message(0x0004, &[], 0));
    assert_eq!(raw.byte(37), 0x03, "aborted");
    assert_eq!(ask(&mut raw, 0x0107, &[]).0, 0x47, "no download is under way");
}

#[test]
fn item_14_a_wrong_check_code_and_unknown_commands_fail() {
    for profile in [Profile::ZR400, Profile::OPENZRP] {
        let mut raw = Raw::new(profile);
        let mut bytes = message(0x0100, &[], 0);
        bytes[5] ^= 0x01;
        send(&mut raw, &bytes);
        raw.clock.advance(200);
        assert_eq!(raw.byte(37), 0x45, "check code error");
        assert_eq!(raw.byte(8) & 0x40, 0x40);
        assert_eq!(ask(&mut raw, 0x0FFF, &[]).0, 0x41, "unknown command");
        assert_eq!(ask(&mut raw, 0x0103, &[0, 0]).0, 0x42, "parameter");
        assert_eq!(ask(&mut raw, 0x0000, &[0, 0]), (0x01, vec![2, 0]));
    }
}

#[test]
fn item_14_a_password_opens_what_is_protected() {
    let mut raw = Raw::new(Profile::ZR800);
    let mut start = 64_u32.to_be_bytes().to_vec();
    start.extend([0; 4]);
    assert_eq!(ask(&mut raw, 0x0101, &start).0, 0x46, "password");
    assert_eq!(ask(&mut raw, 0x0001, &[0, 0, 0x10, 0x12]).0, 0x46);
    assert_eq!(ask(&mut raw, 0x0001, &[0, 0, 0x10, 0x11]).0, 0x01);
    assert_eq!(ask(&mut raw, 0x0000, &[0, 0]).1[1], 1, "it was shown");
    assert_eq!(ask(&mut raw, 0x0101, &start).0, 0x01);
    assert_eq!(ask(&mut raw, 0x0002, &[1, 2, 3, 4]).0, 0x01);
    raw.write(26, &[0x08]);
    raw.clock.advance(2_000);
    assert_eq!(ask(&mut raw, 0x0101, &start).0, 0x46, "a reset forgets who has shown it");
    // The registers of the lower memory do the same, and never show what was written.
    raw.write(122, &[0, 0, 0x10, 0x11]);
    assert_eq!((raw.byte(42) & 0x0F, raw.read::<8>(118)), (3, [0; 8]), "the old one is not accepted");
    raw.write(122, &[1, 2, 3, 4]);
    assert_eq!(raw.byte(42) & 0x0F, 2, "host password accepted");
    assert_eq!(ask(&mut raw, 0x0101, &start).0, 0x01);
}

/// Downloads an image by LPL blocks.
fn download(raw: &mut Raw, image: &[u8], payload: usize) -> u8 {
    let mut start = u32::try_from(image.len()).unwrap().to_be_bytes().to_vec();
    start.extend([0; 4]);
    start.extend(&image[..payload]);
    let (status, _) = ask(raw, 0x0101, &start);
    assert_eq!(status, 0x01);
    for (index, block) in image[payload..].chunks(116).enumerate() {
        let mut lpl = u32::try_from(index * 116).unwrap().to_be_bytes().to_vec();
        lpl.extend(block);
        assert_eq!(ask(raw, 0x0103, &lpl).0, 0x01);
    }
    ask(raw, 0x0107, &[]).0
}

#[test]
fn item_14_firmware_is_downloaded_run_and_committed() {
    let mut raw = Raw::new(Profile::OPENZRP);
    let (_, features) = ask(&mut raw, 0x0041, &[]);
    assert_eq!((features.len(), features[2], features[5], features[6]), (18, 64, 0x11, 0x00));
    let (_, info) = ask(&mut raw, 0x0100, &[]);
    assert_eq!(
        (info.len(), info[0], info[1]),
        (110, 0x03, 0x03),
        "A runs and is committed; A and B are there"
    );
    assert_eq!(info[2..6], [1, 0, 0, 17]);
    let mut image = b"IPFW\x07\x02\x00\x2A".to_vec();
    image.extend((0..992).map(|i| u8::try_from(i % 251).unwrap()));
    assert_eq!(download(&mut raw, &image, 64), 0x01);
    assert_eq!(raw.of::<2>(0x01, 128), [7, 2], "inactive");
    // Run it, with half a second of delay: a reset, and then the new version.
    assert_eq!(ask(&mut raw, 0x0109, &[0, 0, 0x01, 0xF4]).0, 0x01);
    assert_eq!(raw.read::<2>(39), [1, 0], "not yet");
    raw.clock.advance(600);
    assert_eq!(raw.window.read(39, &mut [0; 2]), Err(TransportError::Busy), "resetting");
    raw.clock.advance(2_000);
    assert_eq!((raw.read::<2>(39), raw.of::<2>(0x01, 128)), ([7, 2], [1, 0]));
    assert_eq!(raw.of::<1>(0x0D, 136), [0x12], "B runs, A is committed");
    assert_eq!(raw.read::<4>(184), [7, 2, 0, 0x2A]);
    // Not committed, it does not survive a reset.
    raw.write(26, &[0x08]);
    raw.clock.advance(2_000);
    assert_eq!(raw.read::<2>(39), [1, 0]);
    assert_eq!(ask(&mut raw, 0x0109, &[0, 0, 0, 0]).0, 0x01);
    raw.clock.advance(2_000);
    assert_eq!(ask(&mut raw, 0x010A, &[]).0, 0x01);
    raw.write(26, &[0x08]);
    raw.clock.advance(2_000);
    assert_eq!((raw.read::<2>(39), raw.of::<1>(0x0D, 136)), ([7, 2], [0x30]));
}

#[test]
fn item_14_damaged_incomplete_and_misplaced_images_are_refused() {
    let mut raw = Raw::new(Profile::ZR400);
    let image = vec![0xA5; 500];
    // A hole.
    let mut start = 500_u32.to_be_bytes().to_vec();
    start.extend([0; 4]);
    assert_eq!(ask(&mut raw, 0x0101, &start).0, 0x01);
    let mut block = 116_u32.to_be_bytes().to_vec();
    block.extend([0; 100]);
    assert_eq!(ask(&mut raw, 0x0103, &block).0, 0x42);
    assert_eq!(ask(&mut raw, 0x0107, &[]).0, 0x40 | 32, "incomplete");
    assert_eq!(ask(&mut raw, 0x0109, &[0, 0, 0, 0]).0, 0x47, "there is nothing to run");
    raw.control(r#"{"faults": [{"fault": "damage_image"}]}"#);
    assert_eq!(download(&mut raw, &image, 0), 0x40 | 32);
    assert_eq!(ask(&mut raw, 0x0109, &[0, 0, 0, 0]).0, 0x47);
    assert_eq!(download(&mut raw, &image, 0), 0x01);
    assert_eq!(ask(&mut raw, 0x0105, &[0; 6]).0, 0x41, "images cannot be read back");
}

#[test]
fn item_14_a_block_may_come_in_the_extended_payload() {
    let mut raw = Raw::new(Profile::OPENZRP);
    let mut start = (64_u32 + 300).to_be_bytes().to_vec();
    start.extend([0; 4]);
    start.extend([0x11; 64]);
    assert_eq!(ask(&mut raw, 0x0101, &start).0, 0x01);
    // 300 bytes over A0h, A1h and A2h; writes there may be longer than eight bytes.
    for (page, len) in [(0xA0, 128), (0xA1, 128), (0xA2, 44)] {
        raw.put(page, 128, &vec![0x22; len]);
    }
    send(&mut raw, &message(0x0104, &[0; 4], 300));
    raw.clock.advance(100);
    assert_eq!(raw.byte(37), 0x01);
    assert_eq!(ask(&mut raw, 0x0107, &[]).0, 0x01);
    send(&mut raw, &message(0x0104, &[0; 4], 2_049));
    raw.clock.advance(100);
    assert_eq!(raw.byte(37), 0x42, "longer than the extended payload is");
}

#[test]
fn item_14_the_second_instance_has_its_own_status_and_flag() {
    let mut raw = Raw::new(Profile::ZR800);
    let bytes = message(0x0040, &[], 0);
    raw.bank(1, 0x9F);
    raw.write(128, &bytes);
    raw.clock.advance(100);
    assert_eq!((raw.byte(38), raw.byte(37)), (0x01, 0x00));
    assert_eq!(raw.byte(8) & 0xC0, 0x80);
    raw.bank(1, 0x9F);
    assert_eq!(raw.byte(134), 36);
}
