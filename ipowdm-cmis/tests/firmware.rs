//! The command data block of emulated modules: password, download, restart, commit.

#![expect(clippy::unwrap_used, reason = "a bench that does not work fails its test")]

mod common;

use common::{Bench, target};
use core::time::Duration;
use ipowdm_cmis::emulator::Profile;
use ipowdm_cmis::procedure::Identify;
use ipowdm_cmis::procedure::cdb::{
    Cdb, CdbError, CdbFailure, ChangePassword, CommandId, CommitImage, Download, EnterPassword, FirmwareBank,
    GetFirmwareFeatures, GetFirmwareInfo, Password, RawCommand, RunFirmware, RunMode,
};

fn enter(bench: &mut Bench, password: Password) -> Result<(), CdbError> {
    let procedure = Cdb::new(&bench.info, 1, EnterPassword(password)).unwrap();
    bench.run(procedure)
}

fn info(bench: &mut Bench) -> ipowdm_cmis::procedure::cdb::FirmwareInfo {
    let procedure = Cdb::new(&bench.info, 1, GetFirmwareInfo).unwrap();
    bench.run(procedure).unwrap()
}

#[test]
fn an_image_is_downloaded_run_and_committed_on_every_profile_that_has_a_cdb() {
    let mut modules = 0;
    for profile in Profile::built_in() {
        let mut bench = Bench::new(profile);
        if bench.info.cdb.is_none() {
            continue;
        }
        modules += 1;
        let before = info(&mut bench);
        assert_eq!(before.running(), Some(FirmwareBank::A));
        let _ = enter(&mut bench, Password::DEFAULT);
        let image: Vec<u8> = (0..3_000_u32).map(|byte| u8::try_from(byte % 253).unwrap()).collect();
        let download = Download::new(&bench.info, 1, image.as_slice()).unwrap();
        let done = bench.run(download).unwrap();
        assert_eq!(done.bytes, 3_000);
        let run = RunFirmware::new(&bench.info, 1, RunMode::ResetToInactive, 0).unwrap();
        let restarted = bench.run(run).unwrap();
        assert_eq!(restarted.after.running(), Some(FirmwareBank::B));
        bench.info = bench.run(Identify::new()).unwrap();
        let _ = enter(&mut bench, Password::DEFAULT);
        let features = bench.run(Cdb::new(&bench.info, 1, GetFirmwareFeatures).unwrap()).unwrap();
        bench.run(Cdb::new(&bench.info, 1, CommitImage::new(&features)).unwrap()).unwrap();
        assert!(info(&mut bench).b.is_some_and(|b| b.running && b.committed));
    }
    assert!(modules >= 2, "{modules} profiles have a command data block");
}

#[test]
fn a_wrong_password_is_refused_and_a_changed_one_counts() {
    let mut bench = Bench::new(Profile::OPENZRP);
    let wrong = enter(&mut bench, Password([9, 9, 9, 9])).unwrap_err();
    let failed = matches!(wrong, CdbError::Failed { command: CommandId::ENTER_PASSWORD, .. });
    assert!(failed, "{wrong}");
    enter(&mut bench, Password::DEFAULT).unwrap();
    let change = Cdb::new(&bench.info, 1, ChangePassword(Password([0, 1, 2, 3]))).unwrap();
    bench.run(change).unwrap();
    enter(&mut bench, Password([0, 1, 2, 3])).unwrap();
    assert!(enter(&mut bench, Password::DEFAULT).is_err());
}

#[test]
fn an_unknown_command_is_told_and_the_light_stays_on() {
    let mut bench = Bench::new(Profile::OPENZRP);
    bench.configure(target(193_400_000, -1000, 0x46)).unwrap();
    let unknown = RawCommand::new(CommandId(0x7ABC), &[1, 2, 3], Duration::from_secs(1)).unwrap();
    let error = bench.run(Cdb::new(&bench.info, 1, unknown).unwrap()).unwrap_err();
    let failure = CdbFailure::UnknownCommand;
    assert_eq!(error, CdbError::Failed { command: CommandId(0x7ABC), failure });
    assert!(bench.module.emission().is_some());
}
