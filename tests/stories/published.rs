//! Stories at the one port that a deployed school publishes. `tests/deploy/run` starts the schools they need and asks for each by
//! its name.

use crate::support::Published;
use crate::{spoof, walk};

/// The school serves clients of the CivilDIY stack (`SY_CIVILDIY=true`, `SY_REGISTRATION=open`), and nobody has posted yet.
#[tokio::test]
async fn a_civildiy_client_walks_through_the_one_port() {
    walk::walk(Published::given().await).await;
}

/// The school is as `config init` has it.
#[tokio::test]
async fn nobody_passes_for_another_through_the_one_port() {
    spoof::gateway_matrix(Published::given().await, spoof::through_traefik()).await;
}
