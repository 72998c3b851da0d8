//! The words of maas: resources, defaults, validation, and what its processes are told. No IO, no clock.

mod deployment;
mod edit;
mod iid;
mod launch;
mod manifest;
pub mod metron;
mod name;
pub mod quantity;
mod schema;
mod status;

pub use deployment::{
    API_VERSION, HttpGet, KIND, Metadata, ModelDeployment, ModelRef, Payload, Probes, REPLICAS_LIMIT, Readiness,
    Resources, Spec, Startup, Template, VCORES_LIMIT,
};
pub use edit::{Edit, EditError, edit, render, set_annotation, set_replicas};
pub use iid::{Iid, IidError};
pub use launch::{Launch, LaunchError, OperatorLaunch, RemoteFile};
pub use manifest::{Fault, Faults, Manifest, parse, parse_one};
pub use name::{ModelName, ModelVersion, NAME_LIMIT, Name, NameError, Namespace};
pub use quantity::Memory;
pub use schema::schema;
pub use status::{Condition, ConditionStatus, Status};
