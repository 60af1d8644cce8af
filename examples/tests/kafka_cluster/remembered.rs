//! Who has a password has it still when the broker has started again, whoever's was withdrawn before.
//!
//! `IPOWDM_KAFKA_ALONE` names the state folder of a cluster of one node that `scripts/kafka-up.sh --secure` has started and that
//! nobody else uses.

use crate::nodes::{Node, alone, client};
use ipowdm_core::bus::access::{Scram, Secret};
use ipowdm_core::bus::kafka::{KafkaBus, KafkaOptions, Sasl};
use ipowdm_core::bus::{Bus, BusError};
use ipowdm_examples::client_properties::ClientProperties;
use std::time::Duration;

/// Enough that some come before and some after whoever stays, in whatever order the broker goes through them.
const WITHDRAWN: usize = 40;

/// Somebody's client.
fn client_of(properties: &ClientProperties, user: &str, scram: Scram, password: &Secret) -> KafkaBus {
    let (username, password) = (user.to_owned(), password.clone());
    let administrator = properties.options(properties.bootstrap.as_deref().unwrap()).unwrap();
    let sasl = Some(Sasl { mechanism: scram.into(), username, password });
    KafkaBus::connect(&KafkaOptions { sasl, call_timeout: Duration::from_secs(30), ..administrator }).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_broker_knows_every_password_that_was_not_withdrawn() {
    let Some(folder) = alone() else { return };
    let properties = ClientProperties::read(&folder.join("client.properties")).unwrap();
    let administrator = client(&properties, None);
    let access = administrator.access().unwrap();
    let mut stays = Vec::new();
    let leaving: Vec<_> = (0..WITHDRAWN).map(|number| format!("leaves-{number}")).collect();
    let mut withdrawn = None;
    for scram in Scram::ALL {
        let user = format!("stays-{scram:?}");
        let password = access.issue_passwords(vec![user.clone()], scram).await.unwrap().remove(0);
        stays.push((user, scram, password));
        let password = access.issue_passwords(leaving.clone(), scram).await.unwrap().remove(0);
        withdrawn = Some((scram, password));
    }
    assert_eq!(access.withdraw_passwords(leaving.clone()).await.unwrap(), 2 * WITHDRAWN);

    let node = Node::of(&folder, 1);
    // Twice: what the second start reads was written by the first.
    for _ in 0..2 {
        node.stop().await;
        node.start().await;
        client(&properties, None).topics().await.unwrap();
        for (user, scram, password) in &stays {
            client_of(&properties, user, *scram, password).topics().await.unwrap();
        }
    }
    let (scram, password) = withdrawn.unwrap();
    let refused = client_of(&properties, &leaving[0], scram, &password).topics().await.unwrap_err();
    assert!(matches!(refused, BusError::Unavailable { .. }), "{refused:?}");
    let users = stays.into_iter().map(|(user, ..)| user).collect();
    assert_eq!(access.withdraw_passwords(users).await.unwrap(), Scram::ALL.len());
}
