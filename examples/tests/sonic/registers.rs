//! An agent that reads registers beside the switch's software, and one that has the modules to itself.

use super::agent::OnSwitch;
use super::configure;
use super::switch::Switch;
use super::written::Written;
use super::xcvrd::Xcvrd;
use ipowdm_agent::mode::Mode;
use ipowdm_agent::module_lock::{LockError, ModuleLock};
use ipowdm_cmis::codes::ModuleState;
use ipowdm_cmis::emulator::{EmulatedModule, LinearModule, ModuleClock, Profile, VirtualClock};
use ipowdm_cmis::map::Address;
use ipowdm_core::error::Code;
use ipowdm_core::msg::Outcome;

/// The memory of a module at rest, as the kernel's file shows it.
fn memory() -> Vec<u8> {
    let clock = VirtualClock::new();
    let module = EmulatedModule::new(Profile::OPENZRP, 7, ModuleClock::from(&clock));
    clock.advance(60_000);
    let linear = LinearModule::new(module);
    let end = Address::page(0x3B, 128).linear() + 128;
    let mut memory = vec![0; usize::try_from(end).unwrap()];
    for (block, bytes) in memory.chunks_mut(128).enumerate() {
        let offset = u32::try_from(block * 128).unwrap();
        while linear.read(offset, bytes).is_err() {
            clock.advance(10);
        }
    }
    memory
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supplement_reads_registers_and_writes_neither_them_nor_the_configuration() {
    let switch = Switch::start();
    let memory = memory();
    let serial = core::str::from_utf8(&memory[166..182]).unwrap().trim();
    switch.plug("Ethernet0", serial);
    let file = switch.eeprom(41, 1, &memory);
    let _daemon = Xcvrd::start(&switch, "Ethernet0");
    configure::until_ready(&switch).await;
    let mut written = Written::listen(&switch);
    let agent = OnSwitch::start(&switch, Mode::Supplement).await;
    let report = agent.port().await.unwrap().report.unwrap();
    // The file is of a module in low power; the databases know of one that is ready.
    assert_eq!(report.module_state.value(), Some(ModuleState::LowPwr));
    assert_eq!(report.rx_los.value(), Some(false), "flags are the switch's");
    for ack in [agent.setup(193.1, -9.0).await, agent.interface("down").await] {
        assert_eq!((ack.outcome, ack.details.code), (Outcome::Rejected, Some(Code::Forbidden)), "{ack:#?}");
    }
    assert_eq!(written.settings(), Vec::<Vec<String>>::new());
    assert!(std::fs::read(&file).unwrap() == memory, "the module's memory is as it was");
    // Nobody else of ours works on the module meanwhile.
    let refused = ModuleLock::take(&agent.locks(), &file).unwrap_err();
    assert!(matches!(refused, LockError::Held { pid: Some(pid), .. } if pid == std::process::id()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_lights_by_registers_and_switches_the_interface_in_the_configuration() {
    let switch = Switch::start();
    let module = EmulatedModule::new(Profile::OPENZRP, 7, ModuleClock::scaled(50));
    let mut written = Written::listen(&switch);
    let agent = OnSwitch::owning(&switch, module.clone()).await;
    // A channel that the switch's own software would not tune to.
    let ack = agent.setup(193.15, -9.0).await;
    assert_eq!(ack.outcome, Outcome::Applied, "{ack:#?}");
    assert!(module.emission().is_some());
    assert_eq!(written.settings(), Vec::<Vec<String>>::new());
    let ack = agent.interface("down").await;
    assert_eq!(ack.outcome, Outcome::Applied, "{ack:#?}");
    assert!(module.emission().is_none());
    assert_eq!(written.settings(), [["admin_status", "down"]]);
    assert_eq!(agent.interface("up").await.outcome, Outcome::Applied);
    assert!(module.emission().is_some());
    assert_eq!(written.settings(), [["admin_status", "up"]]);
}
