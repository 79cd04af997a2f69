extension ConfigurationKey {
    /// The keys of who judges where links lead.
    static let judging: [ConfigurationKey] = [
        .init(
            "block_lists", \.blockLists, .blockLists,
            "files of domains, hosts and URL prefixes that no link may lead to, read anew when they change; none: no such",
            reloadable: true),
        .init(
            "lookup_service", \.lookupService, .lookupService,
            "who is asked about links once they are made, as Safe Browsing v4 is: http://HOST/v4/fullHashes:find; or none"
        ),
        .init(
            "lookup_service_key_file", \.lookupServiceKeyFile, .optionalPath,
            "file with the key that lookup_service wants; none: it wants none", secret: true),
        .init(
            "lookup_service_timeout", \.lookupServiceTimeoutMilliseconds,
            .duration(ConfigurationLimits.lookupServiceTimeoutMilliseconds),
            "how long connecting to lookup_service may take, and then its answer"),
    ]
}
