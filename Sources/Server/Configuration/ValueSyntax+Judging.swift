import Links

extension ValueSyntax where Value == [String] {
    /// Files whose names tell them apart, because blocks are written under them.
    static let blockLists = ValueSyntax(
        read: { (text) throws(BadValue) in
            let paths = try blockListFiles.read(text)
            var names: Set<String> = []
            for path in paths {
                let name = BlockListFiles.name(of: path)
                guard ConfigurationLimits.blockListNameBytes.contains(name.utf8.count), isPlain(name),
                    name != LookupService.name
                else {
                    throw BadValue(
                        problem: "\(quoted(name)) is no name of a list",
                        remedy:
                            "give the file a name of 1 to \(ConfigurationLimits.blockListNameBytes.upperBound) bytes, "
                            + "other than \(LookupService.name)")
                }
                guard names.insert(name).inserted else {
                    throw BadValue(
                        problem: "two files are named \(quoted(name))", remedy: "give each a name of its own")
                }
            }
            return paths
        }, write: { blockListFiles.write($0) })

    private static let blockListFiles = files(atMost: BlockListLimits.lists, remedy: "join some of them into one")
}

extension ValueSyntax where Value == LookupServiceURL? {
    /// An http URL, or `none`.
    static let lookupService = ValueSyntax(
        read: { (text) throws(BadValue) in
            if text == "none" { return nil }
            guard let url = LookupServiceURL(text) else {
                throw BadValue(
                    problem: "\(quoted(text)) is no http:// URL with a path",
                    remedy: "write one such as http://127.0.0.1:8443/v4/fullHashes:find, of a proxy where the service "
                        + "wants https, or none")
            }
            return url
        }, write: { $0?.description ?? "none" })
}
