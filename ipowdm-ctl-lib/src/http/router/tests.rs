use super::*;
use crate::controller::ControllerConfig;
use crate::http::access::{NewToken, Role, TokenTable};
use crate::http::tests::client::Service;
use crate::slice::InProcess;
use crate::testbed::{Testbed, vop};
use axum::http::StatusCode;
use axum::routing::get;
use bytes::Bytes;
use http_body_util::Full;
use ipowdm_core::bus::Bus;
use serde_json::json;

/// All services of a test bed.
async fn optical(bed: &Testbed, access: Access) -> Router {
    let bus: Arc<dyn Bus> = Arc::new(bed.bus.clone());
    let tasks = InProcess::new(bed.linkdb.clone(), Arc::clone(&bus), ControllerConfig::default());
    let builder = SliceManager::builder(bed.linkdb.clone(), bus).launcher(Arc::new(tasks.clone()));
    let slices = builder.relay(false).start().await.unwrap();
    let router = router(access).linkdb(bed.linkdb.clone()).slices(slices);
    router.controllers(move |vop| tasks.controller(vop)).build()
}

#[tokio::test]
async fn services_work_below_the_paths_of_somebody_elses_server() {
    let bed = Testbed::new().await;
    let app = Router::new().route("/", get(|| async { "ours" }));
    let app = app.nest("/net/optical", optical(&bed, Access::open()).await);
    let service = Service::start(app.fallback(async || (StatusCode::NOT_FOUND, "nothing of ours"))).await;
    assert_eq!(service.get("/").await.body, "ours");
    assert_eq!(service.get("/nowhere").await.body, "nothing of ours");
    service.get("/net/optical/nowhere").await.expect_error(404, "unknown_path");
    service.get("/net/optical/linkdb/nowhere").await.expect_error(404, "unknown_path");
    let links = service.get("/net/optical/linkdb/api/links?limit=2").await;
    assert_eq!(links.expect(200)["links"].as_array().unwrap().len(), 2);
    for root in
        ["linkdb", "slices", "linkdb/", "slices/", "slices/health", "slices/openapi.json", "slices/metrics"]
    {
        assert_eq!(service.get(&format!("/net/optical/{root}")).await.status, 200, "{root}");
    }
    let controller = "/net/optical/controllers/vOp2/api/v1/connections";
    service.get(controller).await.expect_error(404, "unknown_vop");
    service.get("/net/optical/controllers/v_Op2/api/v1/health").await.expect_error(404, "unknown_path");

    let body = json!({"vop_id": "vOp2", "tenant_name": "Tenant 2", "interface_assignments":
        [{"pop_id": "pop1", "router_id": "router1", "interfaces": ["Ethernet48"]}]});
    let made = service.post("/net/optical/slices/api/v1/vops", &body).await;
    made.expect(201);
    let location = made.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(location, "/net/optical/slices/api/v1/vops/vOp2");
    assert_eq!(service.get(&location).await.expect(200)["status"], "ACTIVE");
    assert_eq!(service.get(controller).await.expect(200), json!([]));
    assert_eq!(service.get("/net/optical/controllers/vOp2/metrics").await.status, 200);
    assert_eq!(service.delete(&location).await.status, 204);
    service.get(controller).await.expect_error(404, "unknown_vop");
}

#[tokio::test]
async fn a_service_alone_keeps_its_rules_wherever_it_is_mounted() {
    let bed = Testbed::new().await;
    let app = Router::new().nest("/inventory", linkdb_router(bed.linkdb.clone(), Access::open()));
    let service = Service::start(app).await;
    assert_eq!(service.get("/inventory/api/pops").await.status, 200);
    let made =
        service.post("/inventory/api/pops", &json!({"pop_id": "pop9", "name": "9", "location": "-"})).await;
    assert!(made.status.is_success(), "{made:?}");
}

#[tokio::test]
async fn nobody_learns_from_a_refusal_whether_a_controller_runs() {
    let bed = Testbed::new().await;
    bed.slices().activate(Testbed::vop2()).await.unwrap();
    let (token, tenant) = (NewToken::generate().unwrap(), Role::Tenant { virtual_operator: vop("vOp1") });
    let table = TokenTable::default().with("vOp1", tenant, &token).unwrap();
    let service = Service::start(optical(&bed, Access::tokens(table)).await).await;
    let ask = async |vop: &str, token: Option<&str>| {
        let path = format!("/controllers/{vop}/api/v1/connections");
        let mut request = hyper::Request::get(path).header("host", "x");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = service.send(request.body(Full::new(Bytes::new())).unwrap()).await;
        (answer.status.as_u16(), answer.json()["code"].clone())
    };
    let secret = Some(token.secret());
    assert_eq!(ask("vOp2", None).await, (401, json!("unauthenticated")));
    assert_eq!(ask("vOp9", None).await, (401, json!("unauthenticated")));
    assert_eq!(ask("vOp2", secret).await, (403, json!("forbidden")));
    assert_eq!(ask("vOp9", secret).await, (403, json!("forbidden")));
    assert_eq!(ask("vOp1", secret).await, (404, json!("unknown_vop")), "its own it may know of");
}
