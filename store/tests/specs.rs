//! Edits of specs on a real server: nobody overwrites what he has not seen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use maas_crd::{Name, Namespace};
use maas_e2e::Cluster;
use maas_store::{
    CommitError, Config, EditError, Refusal, SPEC_LIMIT, SpecEdit, SpecRead, Store, create_spec, delete_spec, get_spec,
    list_specs, rehearse_spec, update_spec,
};
use zookeeper_client as zk;

async fn read(store: &Store, namespace: &Namespace, name: &Name) -> SpecRead {
    get_spec(store, namespace, name).await.unwrap().unwrap()
}

#[tokio::test]
async fn an_edit_is_made_at_the_version_read_or_not_at_all() {
    let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
    let store = Store::open(Config::new(cluster.quorum())).await.unwrap();
    store.init().await.unwrap();
    let (namespace, name): (Namespace, Name) = ("default".parse().unwrap(), "dga-1.0".parse().unwrap());
    assert_eq!(get_spec(&store, &namespace, &name).await.unwrap(), None);
    assert_eq!(list_specs(&store, None).await.unwrap(), []);

    create_spec(&store, &namespace, &name, b"one").await.unwrap();
    assert!(create_spec(&store, &namespace, &name, b"again").await.unwrap_err().is_conflict());
    let first = read(&store, &namespace, &name).await;
    assert_eq!((first.text.as_slice(), first.generation()), (b"one".as_slice(), 1));
    let stat = update_spec(&store, &first, b"two").await.unwrap();
    let second = read(&store, &namespace, &name).await;
    assert_eq!((second.stat, second.generation()), (stat, 2));
    assert_eq!(second.stat.czxid, first.stat.czxid);
    assert!(second.stat.mzxid > first.stat.mzxid);

    // An older reading changes and deletes nothing.
    assert!(update_spec(&store, &first, b"three").await.unwrap_err().is_conflict());
    assert!(delete_spec(&store, &first).await.unwrap_err().is_conflict());
    assert_eq!(read(&store, &namespace, &name).await, second);

    delete_spec(&store, &second).await.unwrap();
    assert!(delete_spec(&store, &second).await.unwrap_err().is_conflict());
    assert!(update_spec(&store, &second, b"three").await.unwrap_err().is_conflict());

    // Deleted and created again it has the same version and is another.
    create_spec(&store, &namespace, &name, b"another").await.unwrap();
    assert!(update_spec(&store, &first, b"three").await.unwrap_err().is_conflict());

    let other: Namespace = "other".parse().unwrap();
    create_spec(&store, &other, &name, b"elsewhere").await.unwrap();
    assert_eq!(list_specs(&store, None).await.unwrap().len(), 2);
    let listed = list_specs(&store, Some(&other)).await.unwrap();
    assert_eq!(listed.iter().map(|spec| spec.text.as_slice()).collect::<Vec<_>>(), [b"elsewhere"]);
    let large = vec![b'x'; SPEC_LIMIT + 1];
    let refused = create_spec(&store, &other, &"large".parse().unwrap(), &large).await.unwrap_err();
    assert!(matches!(refused, EditError::TooLarge { .. }), "{refused}");
}

#[tokio::test]
async fn side_by_side_every_edit_counts_once() {
    let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
    let store = Store::open(Config::new(cluster.quorum())).await.unwrap();
    store.init().await.unwrap();
    let (namespace, name): (Namespace, Name) = ("default".parse().unwrap(), "counter".parse().unwrap());
    create_spec(&store, &namespace, &name, b"0").await.unwrap();
    let mut editors = Vec::new();
    for _ in 0..8 {
        let (store, namespace, name) = (store.clone(), namespace.clone(), name.clone());
        editors.push(tokio::spawn(async move {
            let mut done = 0;
            while done < 10 {
                let read = read(&store, &namespace, &name).await;
                let count: u32 = String::from_utf8(read.text.clone()).unwrap().parse().unwrap();
                match update_spec(&store, &read, (count + 1).to_string().as_bytes()).await {
                    Ok(_) => done += 1,
                    Err(error) => assert!(error.is_conflict(), "{error}"),
                }
            }
        }));
    }
    for editor in editors {
        editor.await.unwrap();
    }
    let last = read(&store, &namespace, &name).await;
    assert_eq!((last.text.as_slice(), last.generation()), (b"80".as_slice(), 81));
}

#[tokio::test]
async fn an_edit_without_an_answer_says_that_it_may_have_been_made() {
    let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
    let mut config = Config::new(cluster.quorum());
    config.deadline = std::time::Duration::from_secs(1);
    let store = Store::open(config).await.unwrap();
    store.init().await.unwrap();
    let (namespace, name): (Namespace, Name) = ("default".parse().unwrap(), "dga".parse().unwrap());
    create_spec(&store, &namespace, &name, b"one").await.unwrap();
    let first = read(&store, &namespace, &name).await;
    cluster.zookeeper().pause().unwrap();
    let error = update_spec(&store, &first, b"two").await.unwrap_err();
    cluster.zookeeper().resume().unwrap();
    assert!(error.may_have_happened() && !error.is_conflict(), "{error}");
}

#[tokio::test]
async fn a_rehearsal_is_answered_as_the_edit_and_writes_nothing() {
    let cluster = Cluster::builder().zookeeper_only().start().await.unwrap();
    let store = Store::open(Config::new(cluster.quorum())).await.unwrap();
    let (namespace, name): (Namespace, Name) = ("default".parse().unwrap(), "dga".parse().unwrap());
    let create = SpecEdit::Create { namespace: &namespace, name: &name, text: b"one" };
    let refused = |error: EditError| match error {
        EditError::Commit { source: CommitError::Refused { why, .. }, .. } => Some(why),
        _ => None,
    };

    // In a tree that was not made, what would be made before it belongs to the rehearsal.
    assert!(rehearse_spec(&store, &[], &create).await.unwrap_err().is_conflict());
    let before = store.missing_folders().await.unwrap();
    rehearse_spec(&store, &before, &create).await.unwrap();
    assert_eq!(store.get("/maas").await.unwrap(), None);
    store.init().await.unwrap();
    assert_eq!(store.missing_folders().await.unwrap(), []);
    rehearse_spec(&store, &[], &create).await.unwrap();
    assert_eq!(list_specs(&store, None).await.unwrap(), []);

    create_spec(&store, &namespace, &name, b"one").await.unwrap();
    assert!(rehearse_spec(&store, &[], &create).await.unwrap_err().is_conflict());
    let first = read(&store, &namespace, &name).await;
    for edit in [SpecEdit::Update { read: &first, text: b"two" }, SpecEdit::Delete { read: &first }] {
        rehearse_spec(&store, &[], &edit).await.unwrap();
    }
    assert_eq!(read(&store, &namespace, &name).await, first);
    let large = vec![b'x'; SPEC_LIMIT + 1];
    let error = rehearse_spec(&store, &[], &SpecEdit::Update { read: &first, text: &large }).await.unwrap_err();
    assert!(matches!(error, EditError::TooLarge { .. }), "{error}");

    // Rights: the namespace is closed to everyone but its owner.
    let client = zk::Client::connect(&cluster.quorum()).await.unwrap();
    let readable = [zk::Acl::new(zk::Permission::READ, zk::AuthId::anyone())];
    for path in ["/maas/specs/ModelDeployment/default", "/maas/specs/ModelDeployment/default/dga"] {
        client.set_acl(path, &readable, None).await.unwrap();
    }
    let other: Name = "other".parse().unwrap();
    for edit in [
        SpecEdit::Create { namespace: &namespace, name: &other, text: b"one" },
        SpecEdit::Update { read: &first, text: b"two" },
        SpecEdit::Delete { read: &first },
    ] {
        let error = rehearse_spec(&store, &[], &edit).await.unwrap_err();
        assert_eq!(refused(error), Some(Refusal::NoAuth), "{edit:?}");
    }
    update_spec(&store, &first, b"two").await.unwrap_err();

    // An older reading is a conflict.
    let elsewhere: Namespace = "lab".parse().unwrap();
    create_spec(&store, &elsewhere, &name, b"one").await.unwrap();
    let first = read(&store, &elsewhere, &name).await;
    update_spec(&store, &first, b"two").await.unwrap();
    let error = rehearse_spec(&store, &[], &SpecEdit::Update { read: &first, text: b"three" }).await.unwrap_err();
    assert!(error.is_conflict(), "{error}");
}
