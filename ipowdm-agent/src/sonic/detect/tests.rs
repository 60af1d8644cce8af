use super::*;
use crate::sonic::Platform;
use crate::sonic::eeprom::{EepromPath, FoundBy, NoEeprom};
use crate::sonic::facts::PortFacts;
use crate::sonic::numbers::{NumberSource, Numbers, PortNumbers};

fn port() -> PortId {
    "Ethernet0".parse().unwrap()
}

fn numbers(of: &[(NumberSource, u32)]) -> PortNumbers {
    let sources = of.iter().map(|(source, number)| (*source, Numbers::from([(port(), *number)])));
    PortNumbers::combine(sources.collect())
}

/// A switch with one CMIS module.
fn facts(manager: CmisManager, polled: bool, reachable: bool) -> Facts {
    let numbers = numbers(&[(NumberSource::ConfigDb, 1)]);
    let eeprom = if reachable {
        Ok(EepromPath { path: "/sys/1".into(), found_by: FoundBy::PortName })
    } else {
        Err(NoEeprom { number: 1, tried: "/sys/1".into() })
    };
    let known = PortFacts {
        configured: true,
        admin_up: true,
        present: true,
        cmis: true,
        cmis_state: (manager == CmisManager::Running).then(|| "READY".to_string()),
        polled,
        number: numbers.get(&port()),
        eeprom: Some(eeprom),
        serial: SerialCheck::Unknown,
    };
    let ports = [(port(), known)].into();
    Facts { sonic: true, platform: Platform::default(), manager, numbers, ports }
}

const MANAGERS: [CmisManager; 4] =
    [CmisManager::Running, CmisManager::Skipped, CmisManager::Silent, CmisManager::Unknown];

#[test]
fn auto_owns_modules_only_where_the_switch_leaves_them_alone() {
    for manager in MANAGERS {
        for (polled, reachable) in [(true, true), (true, false), (false, true), (false, false)] {
            let found = choose(facts(manager, polled, reachable), ModeChoice::Auto);
            let left_alone = matches!(manager, CmisManager::Skipped | CmisManager::Silent);
            let expected = if left_alone && !polled && reachable { Mode::Own } else { Mode::Observe };
            assert_eq!(found.mode, expected, "{manager:?} {polled} {reachable}");
            assert_eq!(found.conflicts, [], "{manager:?} {polled} {reachable}");
            assert_eq!(found.reasons.first(), Some(&Reason::Manager(manager)));
        }
    }
}

#[test]
fn without_sonic_the_agent_owns_the_modules() {
    let mut facts = facts(CmisManager::Unknown, true, true);
    facts.sonic = false;
    let found = choose(facts.clone(), ModeChoice::Auto);
    assert_eq!((found.mode, found.conflicts.len()), (Mode::Own, 0));
    for mode in [Mode::Observe, Mode::Configure, Mode::Supplement] {
        let found = choose(facts.clone(), ModeChoice::Only(mode));
        assert_eq!(found.conflicts, [Conflict::NotSonic(mode)]);
    }
}

#[test]
fn what_is_asked_for_is_taken_and_what_does_not_fit_is_said() {
    let conflicts = |mode, manager, polled, reachable| {
        let found = choose(facts(manager, polled, reachable), ModeChoice::Only(mode));
        assert_eq!(found.mode, mode);
        found.conflicts
    };
    use CmisManager::{Running, Silent, Skipped};
    let polled = Conflict::Polled(vec![port()]);
    assert_eq!(conflicts(Mode::Own, Running, true, true), [Conflict::ManagerRunning, polled.clone()]);
    assert_eq!(conflicts(Mode::Own, Skipped, true, true), [polled]);
    assert_eq!(conflicts(Mode::Own, Skipped, false, true), []);
    assert!(matches!(conflicts(Mode::Own, Skipped, false, false)[..], [Conflict::NoEeprom(..)]));
    assert_eq!(conflicts(Mode::Configure, Running, true, false), []);
    assert_eq!(conflicts(Mode::Configure, Silent, true, false), [Conflict::ManagerOff(Silent)]);
    assert_eq!(conflicts(Mode::Observe, Running, true, false), []);
    assert_eq!(conflicts(Mode::Supplement, Running, true, true), []);
    assert!(matches!(conflicts(Mode::Supplement, Running, true, false)[..], [Conflict::NoEeprom(..)]));
}

#[test]
fn polling_beside_an_owner_is_said_and_everything_else_stops_the_agent() {
    let found = choose(facts(CmisManager::Running, true, true), ModeChoice::Only(Mode::Own));
    assert_eq!(found.fatal().collect::<Vec<_>>(), [&Conflict::ManagerRunning]);
    for conflict in &found.conflicts {
        assert!(!conflict.fix().is_empty() && !conflict.to_string().is_empty());
    }
}

#[test]
fn a_file_that_leads_to_another_module_is_not_used() {
    let mut facts = facts(CmisManager::Skipped, false, true);
    let other = SerialCheck::Other { file: "A".into(), database: "B".into() };
    facts.ports.get_mut(&port()).unwrap().serial = other;
    let found = choose(facts, ModeChoice::Only(Mode::Own));
    assert!(
        matches!(&found.conflicts[..], [Conflict::OtherModule { file, database, .. }] if file == "A" && database == "B")
    );
}

#[test]
fn sources_that_disagree_stop_register_accesses_unless_the_module_is_recognised() {
    let mut facts = facts(CmisManager::Skipped, false, true);
    facts.numbers = numbers(&[(NumberSource::ConfigDb, 1), (NumberSource::PortConfig, 2)]);
    let found = choose(facts.clone(), ModeChoice::Only(Mode::Own));
    assert!(matches!(found.conflicts[..], [Conflict::Numbers(_)]));
    assert_eq!(choose(facts.clone(), ModeChoice::Only(Mode::Observe)).conflicts, []);
    facts.ports.get_mut(&port()).unwrap().serial = SerialCheck::Same("A".into());
    assert_eq!(choose(facts, ModeChoice::Only(Mode::Own)).conflicts, []);
}

#[test]
fn a_port_that_the_switch_does_not_have_is_refused() {
    let mut facts = facts(CmisManager::Running, true, true);
    facts.ports.get_mut(&port()).unwrap().configured = false;
    let found = choose(facts, ModeChoice::Auto);
    assert_eq!(found.conflicts, [Conflict::NotConfigured(port())]);
}
