use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, LOCATION, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use aws_lc_rs::rand::SystemRandom;
use serde::Deserialize;

use super::note::{Note, NoteId, NoteText, Owner, TextError};
use super::store::{Added, NoteStore, StoreError};
use crate::actix::{AccessToken, RequireScope};
use crate::json_body::{BodyError, JsonBody};
use crate::problem::Problem;
use crate::time::Clock;

/// The scope that reading notes takes.
pub const READ_SCOPE: &str = "notes:read";

/// The scope that writing notes takes.
pub const WRITE_SCOPE: &str = "notes:write";

/// Puts the notes at `/notes`.
///
/// The application's data has to hold a [`crate::actix::Protection`].
pub fn configure(app: &mut web::ServiceConfig, store: Arc<dyn NoteStore>, clock: Arc<dyn Clock>) {
    app.app_data(web::Data::from(store));
    app.app_data(web::Data::from(clock));
    let reads = || RequireScope::new(READ_SCOPE);
    app.service(
        web::resource("/notes")
            .route(web::get().to(list).wrap(reads()))
            .route(web::head().to(list).wrap(reads()))
            .route(web::post().to(add).wrap(RequireScope::new(WRITE_SCOPE)))
            .default_service(web::to(async || Problem::method_not_allowed("GET, HEAD, POST"))),
    );
    app.service(
        web::resource("/notes/{id}")
            .route(web::get().to(find).wrap(reads()))
            .route(web::head().to(find).wrap(reads()))
            .default_service(web::to(async || Problem::method_not_allowed("GET, HEAD"))),
    );
}

/// `GET /notes`: the notes of the token's subject, newest first.
async fn list(token: AccessToken, store: web::Data<dyn NoteStore>) -> Result<HttpResponse, NotesError> {
    let notes = store.list(&Owner::of(token.claims())).await?;
    Ok(private(StatusCode::OK).json(notes))
}

/// `GET /notes/{id}`: one note of the token's subject.
async fn find(
    token: AccessToken,
    request: HttpRequest,
    store: web::Data<dyn NoteStore>,
) -> Result<HttpResponse, NotesError> {
    // As it stands in the path: what would have to be decoded is no id.
    let id = request.match_info().get("id").and_then(NoteId::parse);
    let id = id.ok_or(NotesError::NoSuchNote)?;
    let note = store.find(&Owner::of(token.claims()), &id).await?;
    Ok(private(StatusCode::OK).json(note.ok_or(NotesError::NoSuchNote)?))
}

#[derive(Deserialize)]
struct NewNote {
    text: String,
}

/// `POST /notes`: keeps a note.
async fn add(
    token: AccessToken,
    body: JsonBody,
    store: web::Data<dyn NoteStore>,
    clock: web::Data<dyn Clock>,
) -> Result<HttpResponse, NotesError> {
    let NewNote { text } = body.read().await?;
    let note = Note {
        id: NoteId::generate(&SystemRandom::new()).map_err(|_| NotesError::NoRandomness)?,
        text: NoteText::parse(text)?,
        created_at: clock.now(),
    };
    match store.add(&Owner::of(token.claims()), note.clone()).await? {
        Added::NoRoom => Err(NotesError::NoRoom),
        Added::Now => {
            // Relative to `/notes`, so that it is right under whatever prefix a proxy shows this API.
            let location = format!("notes/{}", note.id);
            Ok(private(StatusCode::CREATED)
                .insert_header((LOCATION, location))
                .json(note))
        }
    }
}

/// An answer that no cache keeps: it belongs to one person.
fn private(status: StatusCode) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((CACHE_CONTROL, "no-store"));
    response
}

/// Why a request for notes was not answered with notes.
#[derive(Debug, thiserror::Error)]
enum NotesError {
    #[error("there is no such note")]
    NoSuchNote,
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Text(#[from] TextError),
    #[error("the owner has as many notes as they may have")]
    NoRoom,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the machine has no random bits to give")]
    NoRandomness,
}

impl NotesError {
    fn problem(&self) -> Problem {
        match self {
            Self::Body(error) => error.problem(),
            Self::NoSuchNote => {
                Problem::new(StatusCode::NOT_FOUND, "note-not-found", "There is no such note.")
            }
            Self::Text(_) => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid-text",
                "The text of a note has 1 to 10,000 characters.",
            ),
            Self::NoRoom => Problem::new(
                StatusCode::CONFLICT,
                "too-many-notes",
                "There is no room for another note.",
            ),
            Self::Store(_) => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "store-unavailable",
                "The notes cannot be read or written at the moment.",
            ),
            Self::NoRandomness => Problem::INTERNAL,
        }
    }

    fn log(&self) {
        match self {
            Self::Store(StoreError(source)) => {
                tracing::error!(
                    error = source.as_ref() as &dyn std::error::Error,
                    "the note store failed"
                );
            }
            Self::NoRandomness => tracing::error!("the machine has no random bits to give"),
            Self::Body(_) | Self::NoSuchNote | Self::Text(_) | Self::NoRoom => {}
        }
    }
}

impl ResponseError for NotesError {
    fn status_code(&self) -> StatusCode {
        self.problem().status
    }

    fn error_response(&self) -> HttpResponse {
        self.log();
        match self {
            Self::Store(_) => self.problem().response_with(|response| {
                response.insert_header((RETRY_AFTER, "1"));
            }),
            _ => self.problem().response(),
        }
    }
}
