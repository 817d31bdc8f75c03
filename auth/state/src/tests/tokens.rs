//! Refresh tokens: replaced in order, never lost, whatever meets or fails.

use sqlx::Executor;

use super::*;
use crate::{GrantId, RefreshTokens, Saved, StoreError, Trouble};

async fn grant(store: &Store) -> GrantId {
    mailbox(store, "a@contoso.com").await.grant
}

async fn replace(store: &Store, id: &GrantId, expected: i64, token: &str) -> Saved {
    store
        .replace_refresh_token(id, expected, &secret(token))
        .await
        .unwrap()
}

fn texts(tokens: RefreshTokens) -> (i64, Option<String>, Option<String>) {
    (
        tokens.generation,
        plain(tokens.current),
        plain(tokens.previous),
    )
}

async fn tokens(store: &Store, id: &GrantId) -> (i64, Option<String>, Option<String>) {
    texts(store.refresh_tokens(id).await.unwrap())
}

#[tokio::test]
async fn the_previous_token_is_kept_until_the_new_one_was_used() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let id = grant(&store).await;
    assert_eq!(tokens(&store, &id).await, (0, None, None));
    assert_eq!(
        replace(&store, &id, 0, "one").await,
        Saved::Yes { generation: 1 }
    );
    assert_eq!(
        replace(&store, &id, 1, "two").await,
        Saved::Yes { generation: 2 }
    );
    assert_eq!(
        tokens(&store, &id).await,
        (2, Some("two".into()), Some("one".into()))
    );
    let confirmed = store.confirm_refresh_token(&id, 1).await.unwrap();
    assert_eq!(confirmed, Saved::Outdated);
    let confirmed = store.confirm_refresh_token(&id, 2).await.unwrap();
    assert_eq!(confirmed, Saved::Yes { generation: 2 });
    assert_eq!(tokens(&store, &id).await, (2, Some("two".into()), None));
}

#[tokio::test]
async fn an_older_answer_never_overwrites_a_newer_token() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let id = grant(&store).await;
    replace(&store, &id, 0, "one").await;
    replace(&store, &id, 1, "two").await;
    for stale in [0, 1, 3] {
        assert_eq!(replace(&store, &id, stale, "stale").await, Saved::Outdated);
    }
    assert_eq!(
        tokens(&store, &id).await,
        (2, Some("two".into()), Some("one".into()))
    );
    assert_eq!(
        replace(&store, &GrantId::random(), 0, "x").await,
        Saved::Outdated
    );
    let gone = store.refresh_tokens(&GrantId::random()).await;
    assert!(matches!(gone, Err(StoreError::NotFound("the grant"))));
}

#[tokio::test]
async fn a_refused_token_changes_places_with_the_previous_one() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let id = grant(&store).await;
    replace(&store, &id, 0, "one").await;
    assert_eq!(
        store.swap_refresh_tokens(&id, 1).await.unwrap(),
        Saved::Outdated
    );
    replace(&store, &id, 1, "two").await;
    assert_eq!(
        store.swap_refresh_tokens(&id, 1).await.unwrap(),
        Saved::Outdated
    );
    let swapped = store.swap_refresh_tokens(&id, 2).await.unwrap();
    assert_eq!(swapped, Saved::Yes { generation: 3 });
    assert_eq!(
        tokens(&store, &id).await,
        (3, Some("one".into()), Some("two".into()))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_replace_at_once_exactly_one_does() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let id = grant(&store).await;
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let (store, id) = (store.clone(), id.clone());
            tokio::spawn(async move {
                let token = number.to_string();
                (replace(&store, &id, 0, &token).await, token)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        let (saved, token) = task.await.unwrap();
        if saved == (Saved::Yes { generation: 1 }) {
            winners.push(token);
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(tokens(&store, &id).await, (1, winners.pop(), None));
}

#[tokio::test]
async fn trouble_is_noted_and_goes_with_the_next_token() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let id = grant(&store).await;
    replace(&store, &id, 0, "one").await;
    let trouble = Trouble {
        class: "needs-sign-in".into(),
        code: Some(700_082),
        advice: "Sign the mailbox in again.".into(),
        trace: None,
        at: 1,
    };
    let noted = store.set_trouble(&id, 0, Some(&trouble)).await.unwrap();
    assert_eq!(noted, Saved::Outdated, "a newer token came meanwhile");
    store.set_trouble(&id, 1, Some(&trouble)).await.unwrap();
    let read = store.grant(&id).await.unwrap().unwrap();
    assert_eq!((read.trouble, read.signed_in), (Some(trouble), true));
    replace(&store, &id, 1, "two").await;
    assert_eq!(store.grant(&id).await.unwrap().unwrap().trouble, None);
}

#[tokio::test]
async fn a_full_disk_leaves_the_old_token_and_a_working_writer() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let id = grant(&store).await;
    replace(&store, &id, 0, "one").await;
    let large = secret(&"x".repeat(200_000));
    for _ in 0..3 {
        // The limit is the connection's, and a broken connection is replaced.
        let mut write = store.write().await.unwrap();
        write.execute("PRAGMA max_page_count = 1").await.unwrap();
        write.commit().await.unwrap();
        let error = store
            .replace_refresh_token(&id, 1, &large)
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::DiskFull), "{error}");
        assert_eq!(tokens(&store, &id).await, (1, Some("one".into()), None));
    }
    let mut write = store.write().await.unwrap();
    write
        .execute("PRAGMA max_page_count = 100000")
        .await
        .unwrap();
    write.commit().await.unwrap();
    let saved = store.replace_refresh_token(&id, 1, &large).await.unwrap();
    assert_eq!(saved, Saved::Yes { generation: 2 });
}

#[tokio::test]
async fn a_database_that_cannot_be_written_says_so_and_still_reads() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let id = grant(&store).await;
    replace(&store, &id, 0, "one").await;
    let mut write = store.write().await.unwrap();
    write.execute("PRAGMA query_only = ON").await.unwrap();
    write.commit().await.unwrap();
    let error = store.confirm_refresh_token(&id, 1).await.unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly), "{error}");
    assert_eq!(tokens(&store, &id).await, (1, Some("one".into()), None));
}

#[tokio::test]
async fn a_caller_that_goes_away_blocks_nobody() {
    let folder = folder();
    let store = open(folder.path()).await.unwrap();
    let id = grant(&store).await;
    for polls in 0..40 {
        let generation = tokens(&store, &id).await.0;
        let new = secret("new");
        let mut call = Box::pin(store.replace_refresh_token(&id, generation, &new));
        for _ in 0..polls {
            if futures_poll(&mut call).await {
                break;
            }
        }
        drop(call);
        let generation = tokens(&store, &id).await.0;
        // Whether or not the abandoned call got through, the next one is not in its way.
        let saved = replace(&store, &id, generation, "next").await;
        let again = tokens(&store, &id).await.0;
        assert!(saved != Saved::Outdated || again > generation);
    }
}

/// Polls once and lets others run; true when it is ready.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> bool {
    let ready = std::future::poll_fn(|context| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_ready())
    })
    .await;
    tokio::task::yield_now().await;
    ready
}

/// What a grant's tokens must be after each step, without a database.
#[derive(Debug, Default, PartialEq, Eq)]
struct Model {
    generation: i64,
    current: Option<String>,
    previous: Option<String>,
}

impl Model {
    fn step(&mut self, step: &(u8, i64), number: usize) -> bool {
        let (kind, expected) = *step;
        let allowed = expected == self.generation && (kind != 2 || self.previous.is_some());
        if allowed {
            match kind {
                0 => {
                    self.previous = self.current.replace(number.to_string());
                    self.generation += 1;
                }
                1 => self.previous = None,
                _ => {
                    std::mem::swap(&mut self.current, &mut self.previous);
                    self.generation += 1;
                }
            }
        }
        allowed
    }
}

async fn same_as_the_model(store: &Store, steps: &[(u8, i64)]) {
    let id = grant(store).await;
    let mut model = Model::default();
    for (number, step) in steps.iter().enumerate() {
        let saved = match step.0 {
            0 => replace(store, &id, step.1, &number.to_string()).await,
            1 => store.confirm_refresh_token(&id, step.1).await.unwrap(),
            _ => store.swap_refresh_tokens(&id, step.1).await.unwrap(),
        };
        assert_eq!(
            model.step(step, number),
            saved != Saved::Outdated,
            "{step:?}"
        );
        let (generation, current, previous) = tokens(store, &id).await;
        assert_eq!(
            model,
            Model {
                generation,
                current,
                previous
            }
        );
    }
    let mailbox = store.mailboxes().await.unwrap().remove(0);
    store.remove_mailbox(&mailbox.id).await.unwrap();
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]
    #[test]
    fn any_sequence_of_steps_ends_where_it_should(
        steps in proptest::collection::vec((0..3_u8, 0..4_i64), 0..12)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = folder();
            let store = open(folder.path()).await.unwrap();
            same_as_the_model(&store, &steps).await;
        });
    }
}
