use super::*;
use crate::controller::ControllerConfig;
use crate::http::tests::client::Client;
use crate::slice::SliceManager;
use crate::testbed::{Testbed, vop};
use ipowdm_core::bus::Bus;
use std::net::{Ipv4Addr, TcpListener};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn ports(first: u16, after: u16) -> ControllerPorts {
    ControllerPorts::new(SocketAddr::new(ANY.ip(), first), after)
}

fn tried(ports: &ControllerPorts, earlier: Option<&str>) -> Vec<u16> {
    ports.candidates(&vop("vOp2"), earlier).iter().map(SocketAddr::port).collect()
}

#[test]
fn the_port_of_an_earlier_life_is_tried_first_and_none_beyond_the_last() {
    let four = ports(8083, 3);
    assert_eq!(tried(&four, None), [8083, 8084, 8085, 8086]);
    assert_eq!(tried(&four, Some("http://controllers.example.net:8085")), [8085, 8083, 8084, 8085, 8086]);
    assert_eq!(tried(&four, Some("http://127.0.0.1:9000")), [8083, 8084, 8085, 8086], "not one of ours");
    assert_eq!(tried(&ports(65_535, 9), None), [65_535]);
    assert_eq!(tried(&ports(0, 9), Some("http://127.0.0.1:40000")), [40_000, 0]);
    let own = four.own(vop("vOp2"), 9_999);
    assert_eq!(tried(&own, Some("http://127.0.0.1:8085")), [9_999]);
}

#[tokio::test]
async fn a_controller_is_served_beside_a_taken_port_and_stays_where_it_was() {
    let bed = Testbed::new().await;
    let bus: Arc<dyn Bus> = Arc::new(bed.bus.clone());
    let tasks = InProcess::new(bed.linkdb.clone(), Arc::clone(&bus), ControllerConfig::default());
    let told = Arc::new(Mutex::new(Vec::new()));
    let on_served: OnServed = Arc::new({
        let told = Arc::clone(&told);
        move |vop: &VopId, endpoint: &str| lock(&told).push((vop.clone(), endpoint.to_owned()))
    });
    let anywhere = ControllerPorts::new(ANY, 0).advertised_host(Some("controllers.example.net".to_owned()));
    let launcher = ServedControllers::new(tasks, anywhere, Access::open(), Some(on_served));
    let builder = SliceManager::builder(bed.linkdb.clone(), bus).launcher(Arc::new(launcher.clone()));
    let slices = builder.relay(false).start().await.unwrap();
    let vop2 = slices.activate(Testbed::vop2()).await.unwrap().vop;
    let addr = launcher.addr(vop2.id()).unwrap();
    let endpoint = format!("http://controllers.example.net:{}", addr.port());
    assert_eq!(vop2.endpoint.as_deref(), Some(&*endpoint));
    assert_eq!(*lock(&told), [(vop("vOp2"), endpoint.clone())]);
    assert_eq!(Client::at(addr).get("/api/v1/health").await.status, 200);
    assert!(launcher.controller(vop2.id()).is_some());

    // Another life of its topics is another controller.
    launcher.stop_all().await;
    assert!(std::net::TcpStream::connect(addr).is_err(), "nobody listens any more");
    assert_eq!(launcher.launch(&vop2, None).await.unwrap().as_deref(), Some(&*endpoint));
    assert_eq!(launcher.addr(vop2.id()), Some(addr));

    launcher.stop_all().await;
    let taken = TcpListener::bind(addr).unwrap();
    let elsewhere = launcher.launch(&vop2, None).await.unwrap().unwrap();
    assert_ne!(elsewhere, endpoint);
    assert_eq!(Client::at(launcher.addr(vop2.id()).unwrap()).get("/api/v1/health").await.status, 200);
    drop(taken);
}
