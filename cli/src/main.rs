//! maasctl, maas_service.sh and maas_deploy.sh.

fn main() {}
