use super::connections::width_for;
use super::*;
use crate::http::tests::client::Service;
use crate::http::tests::outage::Breakable;
use crate::linkdb::{AllocationRequest, Endpoint};
use crate::slice::{ActivationRequest, Vop, VopPhase};
use crate::spectrum::VopGrant;
use crate::store::{LeaseSweeper, Store, Version};
use hyper::Method;
use ipowdm_core::grid::SpectrumWindow;
use ipowdm_core::ids::{ConnectionId, Incarnation, VopId};
use ipowdm_core::time::Timestamp;
use ipowdm_core::units::Frequency;
use serde_json::{Value, json};

mod pages;

/// A service over a triangle of PoPs and one PoP apart; vOp2 may use `width_mhz` from 193 THz up.
async fn service_with(width_mhz: u32) -> (Service, LinkDb) {
    let db = LinkDb::new(Store::memory());
    let service = Service::start(linkdb_router(db.clone(), Access::open())).await;
    for pop in ["pop1", "pop2", "pop3", "island"] {
        let body = json!({"pop_id": pop, "name": pop, "location": "here"});
        service.post("/api/pops", &body).await.expect(200);
    }
    for (a, b, km) in [("pop1", "pop2", 80.0), ("pop2", "pop3", 100.5), ("pop1", "pop3", 250.0)] {
        let id = format!("{a}-{b}");
        let body = json!({"link_id": id, "pop_a": a, "pop_b": b, "distance_km": km});
        service.post("/api/links", &body).await.expect(200);
    }
    let low = Frequency::from_mhz(193_000_000);
    let window = SpectrumWindow { low, high: low.offset(i64::from(width_mhz)).unwrap() };
    db.set_vop_grant(VopGrant::pool(VopId::new("vOp2").unwrap(), vec![window])).await.unwrap();
    (service, db)
}

async fn service() -> (Service, LinkDb) {
    service_with(1_000_000).await
}

async fn version(db: &LinkDb) -> Version {
    db.store().snapshot().await.unwrap().version()
}

fn request(id: &str, a: &str, b: &str) -> Value {
    json!({"connection_id": id, "pop_a": a, "pop_b": b, "bandwidth": 400, "virtual_operator": "vOp2"})
}

#[tokio::test]
async fn s0_03_pops_links_and_topology_have_the_references_fields() {
    let (service, _) = service().await;
    let pops = service.get("/api/pops").await.expect(200);
    assert_eq!(pops["count"], 4);
    let pop = json!({"pop_id": "pop1", "name": "pop1", "location": "here", "operator": "telco"});
    assert_eq!(pops["pops"][1], pop);
    let links = service.get("/api/links").await.expect(200);
    assert_eq!(links["count"], 3);
    assert_eq!(links["links"][2]["distance_km"], 100.5);
    assert_eq!(links["links"][2]["fiber_type"], "SMF");
    service.post("/api/connections/allocate", &request("C-1", "pop1", "pop2")).await.expect(200);
    let topology = service.get("/api/topology").await.expect(200);
    for (list, total, count) in
        [("pops", "total_pops", 4), ("links", "total_links", 3), ("connections", "total_connections", 1)]
    {
        assert_eq!(topology[list].as_array().unwrap().len(), count);
        assert_eq!(topology["summary"][total], count);
    }
    assert!(topology["summary"]["timestamp"].is_string());
}

#[tokio::test]
async fn s0_03_the_same_connection_gets_the_same_slots_and_another_one_others() {
    let (service, db) = service().await;
    let first = service.post("/api/connections/allocate", &request("C-1", "pop1", "pop2")).await.expect(200);
    // 193.1 THz is the first channel of the 75 GHz grid whose slot lies whole in the grant.
    assert_eq!(first["frequency"], 193_100.0);
    assert_eq!(first["connection"]["status"], "allocated");
    assert_eq!(first["connection"]["bandwidth"], 400);
    assert_eq!(first["connection"]["path"], json!([{"link_id": "pop1-pop2", "direction": "a_to_b"}]));
    let before = version(&db).await;
    let again = service.post("/api/connections/allocate", &request("C-1", "pop1", "pop2")).await.expect(200);
    assert_eq!(again["connection"], first["connection"]);
    assert_eq!(version(&db).await, before);
    let second = service.post("/api/connections/allocate", &request("C-2", "pop1", "pop2")).await.expect(200);
    assert_eq!(second["frequency"], 193_175.0);
    // What is announced as available is what comes next.
    assert_eq!(first["available_slots"][0], second["frequency"]);
    let third = service.post("/api/connections/allocate", &request("C-3", "pop2", "pop1")).await.expect(200);
    assert_eq!(second["available_slots"][0], third["frequency"]);
}

#[tokio::test]
async fn s0_03_release_is_idempotent_and_frees_what_was_taken() {
    let (service, db) = service().await;
    let allocated =
        service.post("/api/connections/allocate", &request("C-1", "pop1", "pop2")).await.expect(200);
    service.get("/api/connections/C-1").await.expect(200);
    assert_eq!(service.delete("/api/connections/C-1").await.expect(200)["released"], true);
    let after = version(&db).await;
    assert_eq!(service.delete("/api/connections/C-1").await.expect(200)["released"], false);
    assert_eq!(version(&db).await, after);
    service.get("/api/connections/C-1").await.expect_error(404, "unknown_connection");
    assert_eq!(service.get("/api/connections").await.expect(200)["count"], 0);
    let other = service.post("/api/connections/allocate", &request("C-2", "pop1", "pop2")).await.expect(200);
    assert_eq!(other["frequency"], allocated["frequency"]);
}

#[tokio::test]
async fn s0_03_a_connection_may_be_called_as_the_path_is_at_which_one_is_asked_for() {
    let (service, db) = service().await;
    let path = "/api/connections/allocate";
    service.get(path).await.expect_error(404, "unknown_connection");
    service.post(path, &request("allocate", "pop1", "pop2")).await.expect(200);
    assert_eq!(service.get(path).await.expect(200)["connection_id"], "allocate");
    assert_eq!(service.delete(path).await.expect(200)["released"], true);
    assert_eq!(db.grant(&"allocate".parse().unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn a_word_of_another_type_is_a_wrong_field_and_no_broken_body() {
    let (service, _) = service().await;
    for wrong in [json!(1), json!(-1.5), json!(null), json!(true), json!(["up"]), json!({"up": 1})] {
        let body = json!({"admin_state": wrong}).to_string();
        let answer = service.request(Method::PATCH, "/api/links/pop1-pop2", body).await;
        let error = answer.expect_error(422, "invalid_field");
        assert!(error.starts_with("admin_state"), "{error}");
    }
}

#[tokio::test]
async fn what_is_there_is_not_said_to_differ_where_it_does_not() {
    let (service, _) = service().await;
    let same = json!({"pop_id": "twice", "name": "n", "location": "l"});
    service.post("/api/pops", &same).await.expect(200);
    let error = service.post("/api/pops", &same).await.expect_error(400, "already_exists");
    assert_eq!(error, "PoP twice exists already");
}

#[tokio::test]
async fn what_is_shown_as_free_is_what_links_carry_and_guard_bands_leave() {
    let (service, db) = service().await;
    let id = "pop1-pop2".parse().unwrap();
    let mut link = db.store().get(&FibreLink::key(&id)).await.unwrap().unwrap();
    let mhz = Frequency::from_mhz;
    link.bands = vec![SpectrumWindow { low: mhz(193_000_000), high: mhz(193_500_000) }];
    db.store().transact(|tx| db.update_link_in(tx, &link)).await.unwrap();
    let (a, b) = (Endpoint::at(link.a.clone()), Endpoint::at(link.b.clone()));
    let guarded = AllocationRequest {
        frequency: Some(mhz(193_100_000)),
        guard: 4,
        ..AllocationRequest::new("guarded".parse().unwrap(), "vOp2".parse().unwrap(), a, b, 6)
    };
    db.allocate(guarded).await.unwrap();
    // 193.0625 to 193.1375 THz is taken.
    let map = service.get("/api/links/pop1-pop2/spectrum").await.expect(200);
    let range = |low: f64, high: f64| json!({"low": low, "high": high});
    assert_eq!(map["free"], json!([range(193_000.0, 193_062.5), range(193_137.5, 193_500.0)]));
    assert_eq!((&map["total_slots"], &map["used_slots_a_to_b"]), (&json!(80), &json!(12)));
    assert_eq!(map["largest_free_ghz"], 362.5);
    // A neighbour keeps 25 GHz away.
    let paths = service.get("/api/paths/pop1/pop2?k=1").await.expect(200);
    let free = json!([range(193_000.0, 193_037.5), range(193_162.5, 193_500.0)]);
    assert_eq!(paths["paths"][0]["free"], free);
    let next = service.post("/api/connections/allocate", &request("C-1", "pop1", "pop2")).await.expect(200);
    assert_eq!(next["frequency"], 193_250.0);
    assert_eq!(next["available_slots"], json!([193_325.0, 193_400.0]));
}

#[tokio::test]
async fn what_a_controller_holds_is_not_released_here() {
    let (service, db) = service().await;
    let vop = VopId::new("vOp2").unwrap();
    for pop in ["pop1", "pop2"] {
        service.post("/api/routers", &json!({"pop_id": pop, "router_id": "r"})).await.expect(201);
        let interface = json!({"pop_id": pop, "router_id": "r", "interface": "Ethernet48"});
        service.post("/api/interfaces", &interface).await.expect(201);
        let at = PortRef {
            pop_id: pop.parse().unwrap(),
            router_id: "r".parse().unwrap(),
            port_id: "Ethernet48".parse().unwrap(),
        };
        db.assign_port(&at, &vop).await.unwrap();
    }
    let id: ConnectionId = "vOp2:C-1".parse().unwrap();
    let any_free = |pop: &str| Endpoint::any_free(pop.parse().unwrap());
    let (source, destination) = (any_free("pop1"), any_free("pop2"));
    db.allocate(AllocationRequest::new(id.clone(), vop, source, destination, 6)).await.unwrap();
    service.delete("/api/connections/vOp2:C-1").await.expect_error(409, "illegal_state");
    assert!(db.grant(&id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_link_tells_what_is_free_and_who_owns_the_rest() {
    let (service, _) = service().await;
    let empty = service.get("/api/links/pop1-pop2/spectrum").await.expect(200);
    assert_eq!(empty["total_slots"], 784);
    assert_eq!(empty["utilisation"], 0.0);
    assert_eq!(empty["free"], json!([{"low": 191_250.0, "high": 196_150.0}]));
    service.post("/api/connections/allocate", &request("C-1", "pop1", "pop2")).await.expect(200);
    let used = service.get("/api/links/pop1-pop2/spectrum").await.expect(200);
    assert_eq!((&used["used_slots_a_to_b"], &used["used_slots_b_to_a"]), (&json!(12), &json!(12)));
    assert_eq!(used["utilisation"], 0.015);
    assert_eq!(
        used["connections"],
        json!([{"connection_id": "C-1", "n": 0, "m": 6, "frequency": 193_100.0, "width_ghz": 75.0}])
    );
    assert_eq!(
        used["free"],
        json!([{"low": 191_250.0, "high": 193_062.5}, {"low": 193_137.5, "high": 196_150.0}])
    );
    service.get("/api/links/nowhere/spectrum").await.expect_error(404, "unknown_link");
}

#[tokio::test]
async fn routers_and_interfaces_are_added_once_and_listed() {
    let (service, _) = service().await;
    let router = json!({"pop_id": "pop1", "router_id": "router1"});
    let interface = json!({"pop_id": "pop1", "router_id": "router1", "interface": "Ethernet48"});
    service.post("/api/interfaces", &interface).await.expect_error(404, "unknown_router");
    service
        .post("/api/routers", &json!({"pop_id": "x", "router_id": "r"}))
        .await
        .expect_error(404, "unknown_pop");
    service.post("/api/routers", &router).await.expect(201);
    service.post("/api/routers", &router).await.expect_error(409, "already_exists");
    let added = service.post("/api/interfaces", &interface).await.expect(201);
    assert_eq!(added["interface"]["interface"], "Ethernet48");
    assert_eq!(added["interface"]["connection_id"], json!(null));
    service.post("/api/interfaces", &interface).await.expect_error(409, "already_exists");
    assert_eq!(service.get("/api/routers").await.expect(200)["routers"][0]["router_id"], "router1");
    assert_eq!(service.get("/api/interfaces").await.expect(200)["count"], 1);
}

#[tokio::test]
async fn a_refused_request_says_why_and_changes_nothing() {
    let (service, db) = service_with(150_000).await;
    service.post("/api/connections/allocate", &request("C-1", "pop1", "pop2")).await.expect(200);
    let before = version(&db).await;
    let pop = |id: &str| json!({"pop_id": id, "name": "n", "location": "l"});
    let link = |id: &str, a: &str, b: &str, km: Value| json!({"link_id": id, "pop_a": a, "pop_b": b, "distance_km": km});
    let with = |field: &str, value: Value| {
        let mut body = request("C-9", "pop1", "pop2");
        body[field] = value;
        body
    };
    let (pops, links, allocate) = ("/api/pops", "/api/links", "/api/connections/allocate");
    for (path, body, status, code) in [
        (pops, pop("pop1"), 400, "already_exists"),
        (pops, pop("pop 9"), 422, "invalid_field"),
        (pops, json!({"pop_id": "pop9"}), 422, "invalid_field"),
        (pops, json!({"pop_id": "pop9", "name": "x".repeat(256), "location": ""}), 422, "invalid_field"),
        (links, link("pop1-pop2", "pop1", "pop2", json!(80)), 400, "already_exists"),
        (links, link("l", "pop1", "nowhere", json!(80)), 404, "unknown_pop"),
        (links, link("l", "pop1", "pop1", json!(80)), 400, "same_pop"),
        (links, link("l", "pop1", "pop2", json!(-1)), 422, "invalid_field"),
        (links, link("l", "pop1", "pop2", json!(1e300)), 422, "invalid_field"),
        (links, link("l", "pop1", "pop2", json!("80")), 422, "invalid_field"),
        (allocate, request("C-9", "pop1", "nowhere"), 404, "unknown_pop"),
        (allocate, request("C-9", "pop1", "pop1"), 400, "same_pop"),
        (allocate, request("C-9", "pop1", "island"), 409, "no_path"),
        (allocate, request("C-1", "pop1", "pop3"), 409, "already_exists"),
        (allocate, with("virtual_operator", json!("vOp9")), 404, "unknown_vop"),
        (allocate, with("virtual_operator", json!("v_9")), 422, "invalid_field"),
        (allocate, with("bandwidth", json!(0)), 422, "invalid_field"),
        (allocate, with("bandwidth", json!(401)), 422, "invalid_field"),
        (allocate, with("bandwidth", json!(-400)), 422, "invalid_field"),
        (allocate, with("bandwidth", json!(400.5)), 422, "invalid_field"),
        (allocate, with("bandwidth", json!("much")), 422, "invalid_field"),
        (allocate, with("frequency", json!(193.100_001)), 422, "frequency_off_grid"),
        (allocate, with("frequency", json!(195.1)), 403, "frequency_not_granted"),
        (allocate, with("frequency", json!(1e300)), 422, "invalid_field"),
    ] {
        service.post(path, &body).await.expect_error(status, code);
    }
    assert_eq!(version(&db).await, before);
}

#[tokio::test]
async fn a_full_link_refuses_the_next_connection_and_a_detour_takes_it() {
    // Room for one channel of 75 GHz on each link: two paths join the triangle's corners.
    let (service, db) = service_with(150_000).await;
    let direct = service.post("/api/connections/allocate", &request("C-1", "pop1", "pop2")).await.expect(200);
    assert_eq!(direct["available_slots"], json!([]));
    let detour = service.post("/api/connections/allocate", &request("C-2", "pop1", "pop2")).await.expect(200);
    assert_eq!(detour["connection"]["pops"], json!(["pop1", "pop3", "pop2"]));
    let before = version(&db).await;
    let refused = service.post("/api/connections/allocate", &request("C-3", "pop1", "pop2")).await;
    refused.expect_error(409, "no_spectrum");
    assert_eq!(version(&db).await, before);
}

#[tokio::test]
async fn a_lower_rate_takes_a_narrower_slot() {
    let (service, _) = service().await;
    let mut body = request("C-1", "pop1", "pop2");
    body["bandwidth"] = json!(100);
    let allocated = service.post("/api/connections/allocate", &body).await.expect(200);
    assert_eq!(allocated["connection"]["slot"]["width_ghz"], 50.0);
    assert_eq!(width_for(101).unwrap(), 6);
    assert_eq!(width_for(400).unwrap(), 6);
}

#[tokio::test]
async fn health_follows_the_store_down_and_up_again() {
    let (store, backend) = Breakable::store();
    let service = Service::start(linkdb_router(LinkDb::new(store), Access::open())).await;
    let healthy = service.get("/health").await.expect(200);
    assert_eq!((&healthy["status"], &healthy["redis"]), (&json!("healthy"), &json!("connected")));
    backend.set_broken(true);
    let down = service.get("/health").await;
    let body = down.expect(503);
    assert_eq!((&body["status"], &body["redis"]), (&json!("unhealthy"), &json!("disconnected")));
    assert_eq!(body["code"], "store_unavailable");
    assert!(body["reasons"][0].as_str().unwrap().contains("connection refused"));
    service.get("/api/pops").await.expect_error(503, "store_unavailable");
    service
        .post("/api/pops", &json!({"pop_id": "p", "name": "n", "location": "l"}))
        .await
        .expect_error(503, "store_unavailable");
    assert_eq!(service.get("/").await.expect(200)["status"], "degraded");
    backend.set_broken(false);
    service.get("/health").await.expect(200);
    assert_eq!(service.get("/").await.expect(200)["status"], "running");
}

#[tokio::test]
async fn every_path_that_the_root_lists_is_there() {
    let (service, _) = service().await;
    let root = service.get("/").await.expect(200);
    for path in root["endpoints"].as_array().unwrap() {
        // A watch that is refused ends; one that is not goes on for ever.
        let asked = path
            .as_str()
            .unwrap()
            .replace("{id}", "pop1-pop2")
            .replace("{name}", "r")
            .replace("watch", "watch?kinds=none");
        let answer = service.get(&asked).await;
        // The page for people and the figures are no JSON.
        assert!(path == "/docs" || path == "/metrics" || answer.json()["code"] != "unknown_path", "{path}");
    }
}

#[tokio::test]
async fn candidate_paths_come_in_order_with_what_is_free_on_them() {
    let (service, _) = service().await;
    service.post("/api/connections/allocate", &request("C-1", "pop1", "pop2")).await.expect(200);
    let answer = service.get("/api/paths/pop2/pop1?k=5").await.expect(200);
    assert_eq!(answer["count"], 2);
    let (direct, detour) = (&answer["paths"][0], &answer["paths"][1]);
    assert_eq!(direct["pops"], json!(["pop2", "pop1"]));
    assert_eq!(direct["path"], json!([{"link_id": "pop1-pop2", "direction": "b_to_a"}]));
    assert_eq!((&direct["hops"], &direct["distance_km"]), (&json!(1), &json!(80.0)));
    assert_eq!(detour["distance_km"], 350.5);
    // The band is 191.25 to 196.15 THz, the connection has 193.0625 to 193.1375 THz of the direct link.
    let free = json!([{"low": 191_250.0, "high": 193_062.5}, {"low": 193_137.5, "high": 196_150.0}]);
    assert_eq!((&direct["free"], &direct["largest_free_ghz"]), (&free, &json!(3012.5)));
    assert_eq!(detour["largest_free_ghz"], 4900.0);
    for (path, status, code) in [
        ("/api/paths/pop1/nowhere", 404, "unknown_pop"),
        ("/api/paths/pop1/pop1", 400, "same_pop"),
        ("/api/paths/pop1/pop2?k=0", 422, "invalid_field"),
        ("/api/paths/pop1/pop2?k=65", 422, "invalid_field"),
        ("/api/paths/pop1/pop2?k=many", 422, "invalid_field"),
    ] {
        service.get(path).await.expect_error(status, code);
    }
    assert_eq!(service.get("/api/paths/pop1/island").await.expect(200)["count"], 0);
}

#[tokio::test]
async fn utilisation_is_told_for_one_link_and_for_all() {
    let (service, _) = service().await;
    service.post("/api/connections/allocate", &request("C-1", "pop1", "pop2")).await.expect(200);
    let one = service.get("/api/links/pop1-pop2/utilisation").await.expect(200);
    assert_eq!((&one["used_slots_a_to_b"], &one["used_slots_b_to_a"]), (&json!(12), &json!(12)));
    assert_eq!((&one["total_slots"], &one["utilisation"]), (&json!(784), &json!(0.015)));
    let all = service.get("/api/utilisation").await.expect(200);
    assert_eq!(all["count"], 3);
    assert_eq!(all["links"][0], one);
    assert_eq!(all["links"][1]["used_slots_a_to_b"], 0);
    // Free are 290 steps below the connection and 482 above it; the neighbours are free where it is.
    assert_eq!((&one["free_runs"], &one["largest_free_ghz"]), (&json!(2), &json!(3012.5)));
    assert_eq!((&one["fragmentation"], &one["fragmentation_entropy"]), (&json!(0.375), &json!(0.662)));
    assert_eq!((&one["misalignment"], &all["links"][1]["misalignment"]), (&json!(0.015), &json!(0.007)));
    service.get("/api/links/nowhere/utilisation").await.expect_error(404, "unknown_link");
}

#[tokio::test]
async fn a_link_out_of_service_takes_nothing_new_and_what_is_on_it_stays() {
    let (service, _) = service().await;
    service.post("/api/connections/allocate", &request("C-1", "pop1", "pop2")).await.expect(200);
    let patch = |body: Value| service.request(Method::PATCH, "/api/links/pop1-pop2", body.to_string());
    assert_eq!(patch(json!({"admin_state": "down"})).await.expect(200)["admin_state"], "down");
    let detour = service.post("/api/connections/allocate", &request("C-2", "pop1", "pop2")).await.expect(200);
    assert_eq!(detour["connection"]["pops"], json!(["pop1", "pop3", "pop2"]));
    service.get("/api/connections/C-1").await.expect(200);
    patch(json!({"admin_state": "sideways"})).await.expect_error(422, "invalid_field");
    service.delete("/api/links/pop1-pop2").await.expect_error(409, "illegal_state");
    service.delete("/api/connections/C-1").await.expect(200);
    service.delete("/api/links/pop1-pop2").await.expect(200);
    service.get("/api/links/pop1-pop2").await.expect_error(404, "unknown_link");
    service.delete("/api/pops/pop1").await.expect_error(409, "illegal_state");
    service.delete("/api/pops/island").await.expect(200);
    service.delete("/api/pops/island").await.expect_error(404, "unknown_pop");
}

#[tokio::test]
async fn routers_and_interfaces_go_in_order() {
    let (service, _) = service().await;
    service.post("/api/routers", &json!({"pop_id": "pop1", "router_id": "r"})).await.expect(201);
    let interface = json!({"pop_id": "pop1", "router_id": "r", "interface": "Ethernet48"});
    service.post("/api/interfaces", &interface).await.expect(201);
    let path = "/api/interfaces/pop1/r/Ethernet48";
    assert_eq!(service.get(path).await.expect(200)["interface"], "Ethernet48");
    service.delete("/api/routers/pop1/r").await.expect_error(409, "illegal_state");
    service.delete(path).await.expect(200);
    service.get(path).await.expect_error(404, "unknown_port");
    service.delete("/api/routers/pop1/r").await.expect(200);
}

#[tokio::test]
async fn spectrum_is_given_to_operators_that_no_slice_manager_looks_after() {
    let (service, db) = service().await;
    let put = |vop: &str, body: Value| {
        let path = format!("/api/vops/{vop}/spectrum");
        let service = &service;
        async move { service.request(Method::PUT, &path, body.to_string()).await }
    };
    service.get("/api/vops/vOp3/spectrum").await.expect_error(404, "unknown_vop");
    let whole = put("vOp3", json!({})).await.expect(200);
    assert_eq!(whole["windows"], json!([{"low": 191_250.0, "high": 196_150.0}]));
    let narrow = json!({"windows": [{"low": 193.0, "high": 194.0}]});
    assert_eq!(
        put("vOp3", narrow).await.expect(200)["windows"],
        json!([{"low": 193_000.0, "high": 194_000.0}])
    );
    assert_eq!(service.get("/api/vops").await.expect(200)["count"], 2);
    put("vOp3", json!({"windows": [{"low": 194, "high": 193}]})).await.expect_error(422, "invalid_field");
    // A connection outside the new windows.
    service.post("/api/connections/allocate", &request("C-1", "pop1", "pop2")).await.expect(200);
    put("vOp2", json!({"windows": [{"low": 195.0, "high": 196.0}]}))
        .await
        .expect_error(409, "live_connections");
    service.delete("/api/vops/vOp2/spectrum").await.expect_error(409, "live_connections");
    service.delete("/api/vops/vOp3/spectrum").await.expect(200);
    service.get("/api/vops/vOp3/spectrum").await.expect_error(404, "unknown_vop");
    let vop = activated(&VopId::new("vOp4").unwrap());
    db.store().transact(|tx| tx.put(&Vop::key(vop.id()), &vop)).await.unwrap();
    put("vOp4", json!({})).await.expect_error(409, "illegal_state");
}

#[tokio::test]
async fn spectrum_on_single_links_is_set_shown_and_held_to() {
    let (service, _) = service().await;
    let path = "/api/vops/vOp2/spectrum";
    let put = async |body: Value| service.request(Method::PUT, path, body.to_string()).await;
    let windows = json!([{"low": 193.0, "high": 194.0}]);
    let upper = json!({"pop2-pop3": [{"low": 193.5, "high": 194.0}], "pop1-pop3": []});
    let set = put(json!({"windows": windows, "windows_on_links": upper})).await.expect(200);
    let shown = json!({"pop2-pop3": [{"low": 193_500.0, "high": 194_000.0}], "pop1-pop3": []});
    assert_eq!(set["windows_on_links"], shown);
    assert_eq!(service.get(path).await.expect(200)["windows_on_links"], shown);
    let near = service.post("/api/connections/allocate", &request("C-1", "pop1", "pop2")).await.expect(200);
    let far = service.post("/api/connections/allocate", &request("C-2", "pop1", "pop3")).await.expect(200);
    assert!(near["frequency"].as_f64().unwrap() < 193_500.0, "{near}");
    assert!(far["frequency"].as_f64().unwrap() > 193_500.0, "{far}");
    let also = far["available_slots"].as_array().unwrap();
    assert!(!also.is_empty() && also.iter().all(|at| at.as_f64().unwrap() > 193_500.0), "{far}");
    put(json!({"windows": windows, "windows_on_links": {"pop2-pop3": []}}))
        .await
        .expect_error(409, "live_connections");
    put(json!({"windows_on_links": {"pop9-pop3": []}})).await.expect_error(404, "unknown_link");
    for bad in [
        json!([]),
        json!({"pop2-pop3": {}}),
        json!({"a b": []}),
        json!({"pop2-pop3": [{"low": 2, "high": 1}]}),
    ] {
        put(json!({"windows_on_links": bad})).await.expect_error(422, "invalid_field");
    }
}

#[tokio::test]
async fn a_partition_and_a_quota_are_set_and_held_to() {
    let (service, _) = service().await;
    let path = "/api/vops/vOp3/spectrum";
    let put = async |body: Value| service.request(Method::PUT, path, body.to_string()).await;
    // vOp2 has 193 to 194 THz of the pool.
    let overlapping = json!({"windows": [{"low": 193.9, "high": 195.0}], "exclusive": true});
    put(overlapping).await.expect_error(409, "no_spectrum");
    let quota = json!({"connections": 1});
    let body = json!({"windows": [{"low": 194.0, "high": 195.0}], "exclusive": true, "quota": quota});
    let set = put(body).await.expect(200);
    assert_eq!((&set["exclusive"], &set["quota"]), (&json!(true), &quota));
    let mut first = request("C-1", "pop1", "pop3");
    first["virtual_operator"] = json!("vOp3");
    let mut second = first.clone();
    second["connection_id"] = json!("C-2");
    service.post("/api/connections/allocate", &first).await.expect(200);
    service.post("/api/connections/allocate", &second).await.expect_error(409, "quota_exceeded");
    // 75 GHz over two links.
    let used = json!({"connections": 1, "slot_links": 24});
    assert_eq!(service.get(path).await.expect(200)["used"], used);
    put(json!({"quota": {"connections": -1}})).await.expect_error(422, "invalid_field");
}

#[tokio::test]
async fn an_allocation_says_how_it_is_to_be_placed() {
    let (service, _) = service().await;
    let allocate = async |id: &str, more: Value| {
        let mut body = request(id, "pop1", "pop2");
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        service.post("/api/connections/allocate", &body).await
    };
    let last = allocate("C-1", json!({"policy": "last-fit"})).await.expect(200);
    assert_eq!(last["connection"]["frequency_mhz"], 193_925_000);
    // The first channel of vOp2's windows, and the first that leaves it 12.5 GHz; channels are 75 GHz apart.
    let first = allocate("C-2", json!({})).await.expect(200);
    let apart = allocate("C-3", json!({"guard_ghz": 12.5})).await.expect(200);
    assert_eq!(first["connection"]["frequency_mhz"], 193_100_000);
    assert_eq!(apart["connection"]["frequency_mhz"], 193_250_000);
    for more in [
        json!({"policy": "best"}),
        json!({"k": 0}),
        json!({"guard_ghz": 10}),
        json!({"guard_ghz": -6.25}),
        json!({"hold_seconds": 0}),
        json!({"hold_seconds": 1e9}),
    ] {
        allocate("C-9", more).await.expect_error(422, "invalid_field");
    }
    // Nobody sweeps here.
    allocate("C-9", json!({"hold_seconds": 5})).await.expect_error(422, "unsupported");
    service.post("/api/connections/C-1/confirm", &json!({})).await.expect_error(422, "unsupported");
}

#[tokio::test]
async fn what_is_held_is_confirmed_or_goes_back() {
    let (_, db) = service().await;
    let clock = StoreClock::resume(db.store()).await.unwrap();
    let service = Service::start(linkdb_router_with_holds(db.clone(), clock.clone(), Access::open())).await;
    for id in ["C-1", "C-2"] {
        let mut body = request(id, "pop1", "pop2");
        body["hold_seconds"] = json!(1);
        let held = service.post("/api/connections/allocate", &body).await.expect(200);
        assert_eq!(held["connection"]["status"], "held");
    }
    let confirmed = service.post("/api/connections/C-1/confirm", &json!({})).await.expect(200);
    assert_eq!(confirmed["status"], "allocated");
    let mut sweeper = LeaseSweeper::new(db.store().clone(), clock, 10);
    while sweeper.sweep(|tx, key| db.expire_in(tx, key)).await.unwrap().expired == 0 {
        tokio::task::yield_now().await;
    }
    service.get("/api/connections/C-2").await.expect_error(404, "unknown_connection");
    service.post("/api/connections/C-2/confirm", &json!({})).await.expect_error(404, "unknown_connection");
    assert_eq!(service.get("/api/connections/C-1").await.expect(200)["status"], "allocated");
}

#[tokio::test]
async fn spectrum_that_is_set_aside_is_nobodys() {
    let (service, _) = service_with(150_000).await;
    let path = "/api/links/pop1-pop2/reservations/test-signal";
    let put = async |body: Value| service.request(Method::PUT, path, body.to_string()).await;
    let body = json!({"low": 193.0, "high": 193.1, "fibres": "a_to_b", "alien": true});
    let set = put(body.clone()).await.expect(200);
    assert_eq!((&set["count"], &put(body).await.expect(200)), (&json!(1), &set));
    let listed = json!({
        "reservation_id": "test-signal", "low": 193_000.0, "high": 193_100.0, "fibres": "a_to_b", "guard_ghz": 0.0,
        "alien": true,
    });
    let map = service.get("/api/links/pop1-pop2/spectrum").await.expect(200);
    assert_eq!((&set["reservations"][0], &map["reservations"][0]), (&listed, &listed));
    assert_eq!(map["used_slots_b_to_a"], 0);
    let detour = service.post("/api/connections/allocate", &request("C-1", "pop1", "pop2")).await.expect(200);
    assert_eq!(detour["connection"]["pops"], json!(["pop1", "pop3", "pop2"]));
    put(json!({"low": 193.0, "high": 193.05})).await.expect_error(409, "already_exists");
    put(json!({"low": 193.1, "high": 193.0})).await.expect_error(422, "invalid_field");
    let other = "/api/links/pop1-pop3/reservations/r";
    let taken = json!({"low": 193.0, "high": 193.1}).to_string();
    service.request(Method::PUT, other, taken).await.expect_error(409, "no_spectrum");
    assert_eq!(service.delete(path).await.expect(200)["released"], true);
    assert_eq!(service.delete(path).await.expect(200)["released"], false);
    service.delete("/api/links/nowhere/reservations/r").await.expect_error(404, "unknown_link");
    service.get("/api/links/nowhere/reservations").await.expect_error(404, "unknown_link");
}

#[tokio::test]
async fn a_defragmentation_is_proposed_and_nothing_moves() {
    let (service, db) = service().await;
    for id in ["C-1", "C-2", "C-3"] {
        service.post("/api/connections/allocate", &request(id, "pop1", "pop2")).await.expect(200);
    }
    service.delete("/api/connections/C-1").await.expect(200);
    service.delete("/api/connections/C-2").await.expect(200);
    let before = version(&db).await;
    let plan = service.get("/api/defragmentation?moves=1&link=pop1-pop2").await.expect(200);
    assert_eq!(plan["moves"][0]["connection_id"], "C-3");
    assert_eq!(plan["moves"][0]["kind"], "make_before_break");
    assert_eq!(version(&db).await, before);
    service.get("/api/defragmentation?moves=0").await.expect_error(422, "invalid_field");
    service.get("/api/defragmentation?link=nowhere").await.expect_error(404, "unknown_link");
}

/// A virtual operator as a slice manager stores it.
fn activated(vop: &VopId) -> Vop {
    Vop {
        request: ActivationRequest::new(vop.clone(), "tenant", Vec::new()),
        phase: VopPhase::Active,
        incarnation: Incarnation::new("1").unwrap(),
        windows: Vec::new(),
        telemetry_interval_ms: 3000,
        health_interval_ms: 30_000,
        activated_at: Timestamp(0),
        endpoint: None,
    }
}
