import Glibc

/// How many descriptors the tests' own process may have: enough for tests of some thousand connections, where the system
/// lets it, and few enough for one that takes all of them.
enum DescriptorLimit {
    private static let most: rlim_t = 1 << 16

    /// Again for each user, because a node within this process raises it.
    static func set() {
        var limit = rlimit()
        precondition(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
        let wanted = min(limit.rlim_max, most)
        if limit.rlim_cur == wanted { return }
        limit.rlim_cur = wanted
        precondition(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
    }
}
