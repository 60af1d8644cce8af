//! An agent that works through the switch's configuration, from the command to the ack.

use super::agent::{OnSwitch, until};
use super::switch::Switch;
use super::written::Written;
use super::xcvrd::Xcvrd;
use ipowdm_agent::mode::Mode;
use ipowdm_agent::sonic::Database;
use ipowdm_core::error::Code;
use ipowdm_core::msg::Outcome;
use ipowdm_core::units::{Frequency, Power};
use std::sync::atomic::Ordering;

/// A switch with a module in `Ethernet0` that its daemon has brought up.
async fn switch() -> (Switch, Xcvrd) {
    let switch = Switch::start();
    switch.plug("Ethernet0", "LAB0001");
    let daemon = Xcvrd::start(&switch, "Ethernet0");
    until_ready(&switch).await;
    (switch, daemon)
}

/// Waits until the module in `Ethernet0` is ready and was read.
pub(crate) async fn until_ready(switch: &Switch) {
    let mut databases = switch.connect();
    until("module that is ready and read", async || {
        let row = |databases: &mut ipowdm_agent::sonic::Connection, table| {
            databases.row(Database::State, table, "Ethernet0").unwrap()
        };
        let ready = row(&mut databases, "TRANSCEIVER_STATUS_SW").text("cmis_state") == Some("READY");
        let read = row(&mut databases, "TRANSCEIVER_STATUS").text("DP1State").is_some();
        (ready && read).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lives_through_the_switchs_configuration() {
    let (switch, _daemon) = switch().await;
    let mut written = Written::listen(&switch);
    let mut agent = OnSwitch::start(&switch, Mode::Configure).await;
    assert_eq!(written.settings(), Vec::<Vec<String>>::new(), "a start writes nothing");

    // Set-up: one write of both settings, read back from what the daemon read since.
    let ack = agent.setup(193.175, -9.0).await;
    assert_eq!(ack.outcome, Outcome::Applied, "{ack:#?}");
    assert_eq!(written.settings(), [["laser_freq", "193175", "tx_power", "-9.0"]]);
    let read = ack.details.readback.unwrap();
    assert_eq!(read.frequency_mhz, Some(Frequency::from_mhz(193_175_000)));
    assert_eq!(read.laser_frequency_mhz, Some(Frequency::from_mhz(193_175_000)));
    assert_eq!(read.tx_power_dbm, Some(Power::from_hundredths(-900)));
    assert_eq!(read.measured_tx_power_dbm, Some(Power::from_hundredths(-896)));
    assert_eq!((read.data_path_state.as_deref(), read.tx_enabled), (Some("DPActivated"), Some(true)));
    assert_eq!((read.app_sel, read.module_state.as_deref()), (Some(1), Some("ModuleReady")));
    assert_eq!(ack.details.register_writes, Some(1));
    assert!(ack.details.readback_age_ms.is_some_and(|age| age < 60_000), "{:?}", ack.details.readback_age_ms);

    // Its telemetry is what the daemon says.
    let sample = until("sample", async || agent.samples().await.into_iter().next()).await;
    assert_eq!(sample.fields.osnr.unwrap().hundredths(), 3_310);
    assert_eq!(sample.fields.ber.unwrap().value(), 2.4e-4);
    assert_eq!(sample.fields.rx_los, Some(false));
    assert!(sample.age_ms.is_some());

    // The same again, and a restart: nothing is written.
    assert_eq!(agent.setup(193.175, -9.0).await.outcome, Outcome::Unchanged);
    agent.restart().await;
    assert_eq!(written.settings(), Vec::<Vec<String>>::new());

    // A step of power is power alone.
    let ack = agent.reconfigure(-8.5).await;
    assert_eq!(ack.outcome, Outcome::Applied, "{ack:#?}");
    assert_eq!(written.settings(), [["tx_power", "-8.5"]]);

    // Teardown: dark, read back.
    let ack = agent.teardown().await;
    assert_eq!(ack.outcome, Outcome::Applied, "{ack:#?}");
    assert_eq!(written.settings(), [["admin_status", "down"]]);
    let read = ack.details.readback.unwrap();
    assert_eq!((read.data_path_state.as_deref(), read.tx_enabled), (Some("DPDeactivated"), Some(false)));
    agent.restart().await;
    assert_eq!(written.settings(), Vec::<Vec<String>>::new(), "what is dark stays so");

    // Up again: the port and its settings at one stroke.
    let ack = agent.setup(193.1, -8.5).await;
    assert_eq!(ack.outcome, Outcome::Applied, "{ack:#?}");
    assert_eq!(written.settings(), [["laser_freq", "193100", "admin_status", "up"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_switch_would_bend_is_refused_and_nothing_is_written() {
    let (switch, _daemon) = switch().await;
    let agent = OnSwitch::start(&switch, Mode::Configure).await;
    let mut written = Written::listen(&switch);
    for (thz, dbm, code) in [
        (193.1, 0.0, Code::InvalidField),
        (193.2, -9.0, Code::FrequencyOffGrid),
        (196.15, -9.0, Code::FrequencyOutOfRange),
        (193.1, 2.0, Code::PowerOutOfRange),
        (193.1, -9.05, Code::InvalidField),
    ] {
        let ack = agent.setup(thz, dbm).await;
        assert_eq!((ack.outcome, ack.details.code), (Outcome::Rejected, Some(code)), "{ack:#?}");
    }
    assert_eq!(written.settings(), Vec::<Vec<String>>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_reports_and_changes_nothing() {
    let (switch, _daemon) = switch().await;
    let agent = OnSwitch::start(&switch, Mode::Observe).await;
    let mut written = Written::listen(&switch);
    for ack in [agent.setup(193.1, -9.0).await, agent.interface("down").await] {
        assert_eq!((ack.outcome, ack.details.code), (Outcome::Rejected, Some(Code::Forbidden)), "{ack:#?}");
        let words = ack.details.error.unwrap();
        assert!(words.contains(r#"[modules] mode = "configure""#), "{words}");
    }
    // What the switch has done by itself is no change.
    let ack = agent.setup(193.7, -10.0).await;
    assert_eq!(ack.outcome, Outcome::Unchanged, "{ack:#?}");
    until("sample", async || agent.samples().await.into_iter().next()).await;
    assert_eq!(written.settings(), Vec::<Vec<String>>::new());
    let port = agent.port().await.unwrap();
    assert_eq!(port.module.unwrap().vendor, "Lab Optics");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_that_the_switch_gives_up_is_told_and_made_dark() {
    let (switch, daemon) = switch().await;
    let agent = OnSwitch::start(&switch, Mode::Configure).await;
    let mut written = Written::listen(&switch);
    daemon.faults.rejects.store(true, Ordering::SeqCst);
    let ack = agent.setup(193.1, -9.0).await;
    assert_eq!((ack.outcome, ack.details.code), (Outcome::Failed, Some(Code::ModuleRejected)), "{ack:#?}");
    let settings = written.settings();
    assert_eq!(settings.len(), 2, "{settings:?}");
    assert_eq!(settings[1], ["admin_status", "down"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interface_is_switched_in_the_switchs_configuration() {
    let (switch, _daemon) = switch().await;
    let agent = OnSwitch::start(&switch, Mode::Configure).await;
    let mut written = Written::listen(&switch);
    let ack = agent.interface("down").await;
    assert_eq!(ack.outcome, Outcome::Applied, "{ack:#?}");
    assert_eq!(written.settings(), [["admin_status", "down"]]);
    assert_eq!(agent.interface("down").await.outcome, Outcome::Unchanged);
    let ack = agent.interface("up").await;
    assert_eq!(ack.outcome, Outcome::Applied, "{ack:#?}");
    assert_eq!(written.settings(), [["admin_status", "up"]]);
}
