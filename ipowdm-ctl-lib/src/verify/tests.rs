use super::*;
use crate::connection::State;
use crate::controller::{ControllerHandle, OperationStatus};
use crate::linkdb::Grant;
use crate::spectrum::{LinkSpectrum, PortClaim, VopConnection};
use crate::store::{Key, Record};
use crate::testbed::{Testbed, guide, id, port, power, vop};
use ipowdm_core::ids::LinkId;

const MINUTE: Duration = Duration::from_secs(60);

async fn lit() -> (Testbed, ControllerHandle) {
    let (bed, controller) = Testbed::new().await.with_vop2().await;
    controller.create_connection(guide()).await.unwrap();
    let operation = controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Succeeded);
    (bed, controller)
}

async fn findings(bed: &Testbed) -> Vec<Finding> {
    verify(&bed.linkdb, &bed.bus, MINUTE).await.unwrap().findings
}

async fn delete<T: Record>(bed: &Testbed, key: Key<T>) {
    let deleted = bed.linkdb.store().transact(|tx| {
        tx.delete(&key);
        Ok::<_, StoreError>(())
    });
    deleted.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_network_at_work_has_no_findings() {
    let (bed, controller) = lit().await;
    let report = verify(&bed.linkdb, &bed.bus, MINUTE).await.unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.vops, report.connections), (1, 1));
    assert!(report.ports >= 2, "{report:?}");
    assert_eq!(controller.connection(&id("POP1-POP2-1")).unwrap().state, State::Active);
}

#[tokio::test(start_paused = true)]
async fn a_module_that_does_not_do_what_its_connection_says_is_found() {
    let (bed, controller) = lit().await;
    // Nobody repairs what is looked at.
    controller.shutdown().await.unwrap();
    let agent = bed.agent("pop1");
    let connection = id("POP1-POP2-1");
    let at = port("pop1/router1/Ethernet48");
    agent.change("Ethernet48", |port| port.lit = false);
    assert_eq!(findings(&bed).await, [Finding::Dark { connection: connection.clone(), port: at.clone() }]);
    let wanted = agent.port("Ethernet48");
    agent.change("Ethernet48", |port| {
        port.lit = true;
        port.frequency = None;
        port.tx_power = power(-1234);
    });
    let expected = [
        Finding::Frequency {
            connection: connection.clone(),
            port: at.clone(),
            wanted: wanted.frequency.unwrap(),
            found: None,
        },
        Finding::TxPower {
            connection: connection.clone(),
            port: at.clone(),
            wanted: wanted.tx_power,
            found: Some(power(-1234)),
        },
    ];
    assert_eq!(findings(&bed).await, expected);
    agent.change("Ethernet48", |port| port.module = None);
    assert_eq!(findings(&bed).await, [Finding::Absent { connection, port: at }]);
}

#[tokio::test(start_paused = true)]
async fn a_laser_that_nobody_owns_is_found() {
    let (bed, controller) = lit().await;
    controller.shutdown().await.unwrap();
    bed.agent("pop3").change("Ethernet48", |port| port.lit = true);
    let unowned = Finding::Unowned { port: port("pop3/router1/Ethernet48"), serves: None };
    assert_eq!(findings(&bed).await, [unowned]);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_answer_is_found() {
    let (bed, _controller) = lit().await;
    let silent = bed.agents.keys().next().unwrap().default_agent();
    let mut stored = Stored::read(&bed.linkdb).await.unwrap();
    let mut heard = ask::ask(&bed.bus, &stored, MINUTE).await.unwrap();
    heard.remove(&(vop("vOp2"), silent.clone())).unwrap();
    let found = judge::judge(&stored, &stored, &heard).findings;
    assert_eq!(found, [Finding::Silent { vop: vop("vOp2"), agent: silent }]);
    // Nobody is asked where nothing is active.
    stored.vops.clear();
    assert!(ask::ask(&bed.bus, &stored, MINUTE).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn records_that_do_not_follow_from_each_other_are_found() {
    let (bed, controller) = lit().await;
    controller.shutdown().await.unwrap();
    let connection = id("vOp2:POP1-POP2-1");
    let grant = bed.linkdb.store().get(&Grant::key(&connection)).await.unwrap().unwrap();
    let link: LinkId = grant.path.hops[0].link.clone();
    delete(&bed, VopConnection::key(&vop("vOp2"), &connection)).await;
    delete(&bed, LinkSpectrum::key(&link)).await;
    let at = grant.source_port.clone().unwrap();
    delete(&bed, PortClaim::key(&at)).await;
    let expected = [
        Finding::Index { vop: vop("vOp2"), connection: connection.clone() },
        Finding::Slots { connection: connection.clone(), link },
        Finding::Claim { connection: connection.clone(), port: at },
    ];
    assert_eq!(findings(&bed).await, expected);
    delete(&bed, Grant::key(&connection)).await;
    let found = findings(&bed).await;
    assert!(
        found.contains(&Finding::Ungranted { vop: vop("vOp2"), connection: id("POP1-POP2-1") }),
        "{found:?}"
    );
    assert!(found.iter().any(|one| matches!(one, Finding::StrayClaim { .. })), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_outside_its_operators_windows_on_a_link_is_found() {
    let (bed, controller) = lit().await;
    controller.shutdown().await.unwrap();
    let mut stored = Stored::read(&bed.linkdb).await.unwrap();
    let heard = ask::ask(&bed.bus, &stored, MINUTE).await.unwrap();
    let connection = id("vOp2:POP1-POP2-1");
    let link: LinkId = "pop1-pop2".parse().unwrap();
    let frequency = stored.grants[&connection].frequency;
    let granted = stored.windows.get_mut(&vop("vOp2")).unwrap();
    granted.on_links.insert("pop2-pop3".parse().unwrap(), Vec::new());
    assert_eq!(judge::judge(&stored, &stored, &heard).findings, [], "it is not on that link");
    stored.windows.get_mut(&vop("vOp2")).unwrap().on_links.insert(link.clone(), Vec::new());
    let found = judge::judge(&stored, &stored, &heard).findings;
    assert_eq!(found, [Finding::Outside { vop: vop("vOp2"), connection, link, frequency }]);
}

#[tokio::test(start_paused = true)]
async fn slots_without_a_connection_and_ports_of_another_are_found() {
    let (bed, controller) = lit().await;
    controller.shutdown().await.unwrap();
    let mut stored = Stored::read(&bed.linkdb).await.unwrap();
    let heard = ask::ask(&bed.bus, &stored, MINUTE).await.unwrap();
    stored.connections.clear();
    let found = judge::judge(&stored, &stored, &heard).findings;
    let connection = id("vOp2:POP1-POP2-1");
    assert!(found.contains(&Finding::Ungoverned { vop: vop("vOp2"), connection }), "{found:?}");
    assert_eq!(found.iter().filter(|one| matches!(one, Finding::Unowned { .. })).count(), 2);
    let (at, owner) = stored.ports.iter().find(|(_, owner)| owner.is_some()).unwrap();
    let (at, owner) = (at.clone(), owner.clone());
    stored.ports.insert(at.clone(), None);
    let found = judge::judge(&stored, &stored, &heard).findings;
    assert!(found.contains(&Finding::Assignment { port: at, inventory: None, granted: owner }), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn what_changes_meanwhile_is_not_judged() {
    let (bed, controller) = lit().await;
    let before = Stored::read(&bed.linkdb).await.unwrap();
    let heard = ask::ask(&bed.bus, &before, MINUTE).await.unwrap();
    let operation = controller.delete(&id("POP1-POP2-1")).await.unwrap();
    controller.wait(operation, MINUTE).await.unwrap();
    let after = Stored::read(&bed.linkdb).await.unwrap();
    let report = judge::judge(&before, &after, &heard);
    assert_eq!((report.findings, report.in_motion), (vec![], 2));
}
