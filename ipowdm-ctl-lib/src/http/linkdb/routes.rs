//! The routes, and how each may refuse.

use super::{
    Shared, add_interface, add_link, add_pop, add_router, change_link, connections, figures, health,
    interface, interfaces, link, links, planning, pops, remove_interface, remove_link, remove_pop,
    remove_router, reservations, root, routers, topology, vops, watch,
};
use crate::http::metrics::PATH as METRICS;
use crate::http::openapi::{does, refuses};
use aide::axum::ApiRouter;
use aide::axum::routing::{delete_with, get_with, post_with, put_with};
use aide::transform::TransformOperation;
use axum::http::StatusCode;
use ipowdm_core::error::Code::{
    AlreadyExists, FrequencyNotGranted, FrequencyOffGrid, FrequencyOutOfRange, IllegalState, InvalidField,
    LiveConnections, NoCommonChannel, NoPath, NoSpectrum, PortOccupied, QuotaExceeded, SamePop,
    UnknownConnection, UnknownLink, UnknownPop, UnknownPort, UnknownRouter, UnknownVop, Unsupported,
};

pub(super) fn routes() -> ApiRouter<Shared> {
    let router = ApiRouter::new()
        .api_route("/", get_with(root, does("What this service is", &[])))
        .api_route("/health", get_with(health, does("Whether the store can be read", &[])))
        .api_route(METRICS, get_with(figures, does("Figures for Prometheus", &[])));
    connection_routes(topology_routes(spectrum_routes(router)))
}

fn topology_routes(router: ApiRouter<Shared>) -> ApiRouter<Shared> {
    router
        .api_route(
            "/api/pops",
            get_with(pops, does("The PoPs", &[]))
                .post_with(add_pop, taken(does("Adds a PoP; 400 where its id is taken", &[InvalidField]))),
        )
        .api_route(
            "/api/pops/{id}",
            delete_with(
                remove_pop,
                does("Removes a PoP without routers and links", &[UnknownPop, IllegalState]),
            ),
        )
        .api_route(
            "/api/links",
            get_with(links, does("The fibre links", &[])).post_with(
                add_link,
                taken(does(
                    "Adds a fibre link; 400 where its id is taken",
                    &[UnknownPop, SamePop, InvalidField],
                )),
            ),
        )
        .api_route(
            "/api/links/{id}",
            get_with(link, does("A fibre link", &[UnknownLink]))
                .patch_with(change_link, does("Takes a link into service or out of it", &[UnknownLink]))
                .delete_with(
                    remove_link,
                    does("Removes a link without connections", &[UnknownLink, LiveConnections, IllegalState]),
                ),
        )
        .api_route(
            "/api/routers",
            get_with(routers, does("The routers", &[]))
                .post_with(add_router, does("Adds a router", &[UnknownPop, AlreadyExists])),
        )
        .api_route(
            "/api/routers/{pop}/{router}",
            delete_with(
                remove_router,
                does("Removes a router without ports", &[UnknownRouter, IllegalState]),
            ),
        )
        .api_route(
            "/api/interfaces",
            get_with(interfaces, does("The ports", &[]))
                .post_with(add_interface, does("Adds a port", &[UnknownRouter, AlreadyExists])),
        )
        .api_route(
            "/api/interfaces/{pop}/{router}/{interface}",
            get_with(interface, does("A port", &[UnknownPort])).delete_with(
                remove_interface,
                does("Removes a port without a connection", &[UnknownPort, IllegalState, PortOccupied]),
            ),
        )
        .api_route("/api/topology", get_with(topology, does("All of the network, and a summary", &[])))
        .api_route(
            "/api/watch",
            get_with(
                watch::watch,
                does("Each committed transaction once, with all that it touched, as server-sent events", &[]),
            ),
        )
}

fn spectrum_routes(router: ApiRouter<Shared>) -> ApiRouter<Shared> {
    router
        .api_route(
            "/api/links/{id}/spectrum",
            get_with(
                planning::spectrum,
                does("What is free on a link, and who owns the rest", &[UnknownLink]),
            ),
        )
        .api_route(
            "/api/links/{id}/utilisation",
            get_with(planning::utilisation, does("How full and how broken up a link is", &[UnknownLink])),
        )
        .api_route(
            "/api/links/{id}/reservations",
            get_with(
                reservations::reservations,
                does(
                    "What no connection is to get of a link: set aside, or light that is not ours",
                    &[UnknownLink],
                ),
            ),
        )
        .api_route(
            "/api/links/{id}/reservations/{name}",
            put_with(
                reservations::reserve,
                does(
                    "Sets spectrum aside; the same again does nothing",
                    &[UnknownLink, AlreadyExists, NoSpectrum, FrequencyOutOfRange, FrequencyOffGrid],
                ),
            )
            .delete_with(
                reservations::unreserve,
                does("Gives back what was set aside, if anything", &[UnknownLink]),
            ),
        )
        .api_route(
            "/api/utilisation",
            get_with(planning::utilisations, does("How full and how broken up every link is", &[])),
        )
        .api_route(
            "/api/defragmentation",
            get_with(
                planning::defragmentation,
                does("Moves that would make free spectrum less scattered; nothing is moved", &[UnknownLink]),
            ),
        )
        .api_route(
            "/api/paths/{a}/{b}",
            get_with(
                planning::paths,
                does("Candidate paths in order, and what is free on each", &[UnknownPop, SamePop, NoPath]),
            ),
        )
        .api_route("/api/vops", get_with(vops::vops, does("Who may use spectrum, and which", &[])))
        .api_route(
            "/api/vops/{id}/spectrum",
            get_with(
                vops::spectrum,
                does("What a virtual operator may use, and what it holds", &[UnknownVop]),
            )
            .put_with(
                vops::set_spectrum,
                does(
                    "Sets what a virtual operator may use; 409 for the slice manager's",
                    &[
                        IllegalState,
                        UnknownLink,
                        NoSpectrum,
                        FrequencyOutOfRange,
                        FrequencyOffGrid,
                        LiveConnections,
                        QuotaExceeded,
                    ],
                ),
            )
            .delete_with(
                vops::withdraw,
                does(
                    "Withdraws what a virtual operator may use; 409 for the slice manager's",
                    &[IllegalState, LiveConnections],
                ),
            ),
        )
}

fn connection_routes(router: ApiRouter<Shared>) -> ApiRouter<Shared> {
    router
        .api_route("/api/connections", get_with(connections::connections, does("What connections own", &[])))
        .api_route(
            "/api/connections/allocate",
            post_with(
                connections::allocate,
                does(
                    "Takes a path and the first slot that is free on all of it; the same again for the same request",
                    &[
                        UnknownPop, UnknownVop, SamePop, AlreadyExists, NoPath, NoSpectrum, NoCommonChannel,
                        QuotaExceeded, FrequencyNotGranted, FrequencyOutOfRange, FrequencyOffGrid, Unsupported,
                        IllegalState,
                    ],
                ),
            )
            .get_with(
                connections::connection_called_allocate,
                does("What the connection of this name owns", &[UnknownConnection]),
            )
            .delete_with(
                connections::release_called_allocate,
                does("Gives back what the connection of this name owns", &[IllegalState]),
            ),
        )
        .api_route(
            "/api/connections/{id}",
            get_with(connections::connection, does("What a connection owns", &[UnknownConnection])).delete_with(
                connections::release,
                does("Gives back what was allocated here, if anything; 409 for a controller's", &[IllegalState]),
            ),
        )
        .api_route(
            "/api/connections/{id}/confirm",
            post_with(
                connections::confirm,
                does(
                    "What is held becomes the connection's own; 404 where its time was over",
                    &[UnknownConnection, Unsupported],
                ),
            ),
        )
}

/// As the reference has it for PoPs and links: an id that is taken is a bad request.
fn taken(
    operation: impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_>,
) -> impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_> {
    move |described| {
        let mut described = operation(described);
        refuses(described.inner_mut(), StatusCode::BAD_REQUEST, AlreadyExists);
        described
    }
}
