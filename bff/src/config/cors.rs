use resource_server::settings::Section;

use crate::guard::cors::AllowedOrigins;

/// Reads `[cors]`: the origins, other than our own, whose pages may call us.
pub(super) fn read(mut section: Section<'_>) -> Option<AllowedOrigins> {
    let origins = section.texts_or("allowed_origins", &[]);
    let origins = super::each(&section, "allowed_origins", origins, AllowedOrigins::parse);
    section.finish();
    origins.map(AllowedOrigins::new)
}
