use resource_server::settings::Section;

/// `[passwords]`: what checking a password may take.
#[derive(Debug, Clone, Copy)]
pub struct PasswordConfig {
    /// Passwords that are hashed at one time: each takes a core, and its memory.
    pub cores: usize,
    /// Sign-ins that wait for their turn; more are turned away at once instead of piling up.
    pub queue: usize,
    /// Memory of one hash.
    pub memory_mib: u32,
    /// Passes over that memory.
    pub passes: u32,
}

/// OWASP's least for Argon2id with one lane: MiB of memory by the number of passes, one first.
const LEAST_MEMORY: [u32; 5] = [46, 19, 12, 9, 7];
const MOST_MEMORY: u32 = 1024;

impl PasswordConfig {
    pub(super) fn parse(mut section: Section<'_>) -> Option<Self> {
        let cores = section.number_or("cores", default_cores(), 1..=256);
        let queue = section.number_or("queue", 64, 1..=10_000);
        let memory = section.parsed_or("memory", "19MiB", parse_memory);
        let passes = section.number_or("passes", 2, 1..=20);
        let passes = passes.and_then(|passes| u32::try_from(passes).ok());
        if let (Some(memory), Some(passes)) = (memory, passes)
            && memory < least_memory(passes)
        {
            let rule = format!(
                "must be at least {}MiB with passes = {passes}",
                least_memory(passes)
            );
            section.fault("memory", Some(format!("\"{memory}MiB\"")), rule);
        }
        section.finish();
        Some(Self {
            cores: usize::try_from(cores?).ok()?,
            queue: usize::try_from(queue?).ok()?,
            memory_mib: memory?,
            passes: passes?,
        })
    }
}

/// All but one, which stays with those who are signed in already.
fn default_cores() -> u64 {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    cores.saturating_sub(1).max(1)
}

fn least_memory(passes: u32) -> u32 {
    let index = usize::try_from(passes.saturating_sub(1)).unwrap_or(usize::MAX);
    LEAST_MEMORY[index.min(LEAST_MEMORY.len() - 1)]
}

fn parse_memory(text: &str) -> Result<u32, String> {
    text.strip_suffix("MiB")
        .and_then(|number| number.parse().ok())
        .filter(|memory| (1..=MOST_MEMORY).contains(memory))
        .ok_or_else(|| format!("must be a size from 7MiB to {MOST_MEMORY}MiB such as \"19MiB\""))
}
