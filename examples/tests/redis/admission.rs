//! Which servers are accepted.

use ipowdm_ctl_lib::store::redis::{Durability, Password, RedisBackend, RedisError};
use ipowdm_ctl_lib::store::{Location, OpenError, Store, StoreOptions};

use super::server::Server;
use super::{put, read};

#[tokio::test]
async fn a_server_that_may_lose_commits_is_refused_unless_that_is_accepted() {
    let server = Server::start();
    for (setting, restore) in [
        ("appendfsync everysec", "appendfsync always"),
        ("appendonly no", "appendonly yes"),
        ("maxmemory 100000000", "maxmemory 0"),
    ] {
        assert_eq!(server.say(&format!("CONFIG SET {setting} maxmemory-policy allkeys-lru")), "+OK");
        let mut options = server.fresh();
        let refused = RedisBackend::connect(options.clone()).await.unwrap_err();
        assert!(matches!(refused, RedisError::NotDurable { .. }), "{setting}: {refused}");
        options.durability = Durability::Relaxed;
        assert!(RedisBackend::connect(options).await.is_ok(), "{setting}");
        assert_eq!(server.say(&format!("CONFIG SET {restore}")), "+OK");
    }
    assert!(RedisBackend::connect(server.fresh()).await.is_ok());
}

#[tokio::test]
async fn a_user_who_may_not_read_the_settings_has_to_accept_loss() {
    let server = Server::start();
    assert_eq!(server.say("ACL SETUSER me on >s3cret ~* +@all -config"), "+OK");
    let mut options = server.fresh();
    options.username = Some("me".to_owned());
    options.password = Some(Password::new("s3cret"));
    let refused = RedisBackend::connect(options.clone()).await.unwrap_err();
    assert!(
        matches!(&refused, RedisError::NotDurable { setting, .. } if setting.contains("CONFIG")),
        "{refused}"
    );
    assert!(!format!("{refused} {refused:?}").contains("s3cret"));
    options.durability = Durability::Relaxed;
    assert!(RedisBackend::connect(options).await.is_ok());
}

#[tokio::test]
async fn a_store_is_opened_by_its_location_with_a_password() {
    let server = Server::start();
    assert_eq!(server.say("CONFIG SET requirepass s3cret"), "+OK");
    let open = async |login: &str| {
        let location = format!("redis://{login}127.0.0.1:{}/1?prefix=lab", server.port());
        Store::open(&location.parse::<Location>().unwrap(), StoreOptions::default()).await
    };
    for wrong in ["", ":wrong@"] {
        let refused = open(wrong).await.unwrap_err();
        assert!(matches!(refused, OpenError::Unavailable { .. }), "{refused}");
    }
    let store = open(":s3cret@").await.unwrap();
    put(&store, "a", 1).await;
    assert_eq!(read(&open(":s3cret@").await.unwrap(), "a").await, Ok(Some(1)));
    let shown = format!("{store:?} {:?}", open(":s3cret@").await.unwrap());
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn stores_under_other_prefixes_are_apart_and_foreign_data_is_refused() {
    let server = Server::shared();
    let (one, two) = (server.fresh(), server.fresh());
    let a = super::store(super::connect(&one).await);
    let b = super::store(super::connect(&two).await);
    put(&a, "a", 1).await;
    assert_eq!(read(&b, "a").await, Ok(None));

    let newer = server.fresh();
    server.ask(&format!("HSET {{{}}}:meta format 99 version 0", newer.prefix));
    let refused = RedisBackend::connect(newer).await.unwrap_err();
    assert!(matches!(&refused, RedisError::Foreign { reason, .. } if reason.contains("99")), "{refused}");
    let other = server.fresh();
    server.ask(&format!("HSET {{{}}}:data some thing", other.prefix));
    let refused = RedisBackend::connect(other).await.unwrap_err();
    assert!(matches!(refused, RedisError::Foreign { .. }), "{refused}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let location = format!("redis://127.0.0.1:{port}");
    let error = Store::open(&location.parse().unwrap(), StoreOptions::default()).await.unwrap_err();
    assert!(matches!(error, OpenError::Unavailable { .. }), "{error}");
}
