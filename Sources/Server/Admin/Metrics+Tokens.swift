/// What came of clients' tokens, and of asking other nodes.
extension Metrics {
    mutating func addTokens(_ node: Node) {
        let counts =
            node.workerCounters.map(\.tokens) + [node.api.tokenCounts, node.api.writerTokenCounts, node.api.comeBack]
        output.metric("edge_tokens_total", .counter, "Tokens that requests brought, by what came of them.")
        for result in TokenCounts.Result.allCases {
            output.sample(
                "edge_tokens_total", ["result": result.name], Double(counts.reduce(0) { $0 + $1.value(result) }))
        }
        output.value(
            "edge_tokens_issued_total", .counter, "Tokens given with writes.", Double(node.api.issuedTokens.value))
        guard let figures = node.lookups?.figures else { return }
        output.metric(
            "edge_remote_lookups_total", .counter, "Requests that waited for other nodes, by what came of it.")
        for name in LookupResult.names {
            output.sample("edge_remote_lookups_total", ["result": name], Double(figures.results[name] ?? 0))
        }
        output.value(
            "edge_remote_lookups_waiting", .gauge, "Requests that wait for other nodes.", Double(figures.waiting))
        output.metric(
            "edge_remote_lookups_refused_total", .counter,
            "Requests that found no place to wait, by whose bound it was.")
        output.sample("edge_remote_lookups_refused_total", ["bound": "node"], Double(figures.refused.ofNode))
        output.sample("edge_remote_lookups_refused_total", ["bound": "client"], Double(figures.refused.ofClient))
        output.value(
            "edge_remote_lookups_malformed_total", .counter, "Answers that no node of this cluster gives.",
            Double(figures.malformed))
    }
}

/// What came of clients' changes of links.
extension Metrics {
    mutating func addChanges(_ node: Node) {
        output.metric(
            "edge_link_changes_total", .counter, "Changes of links by this node's clients, by what became of them.")
        for result in ChangeResult.allCases {
            output.sample(
                "edge_link_changes_total", ["result": result.rawValue], Double(node.api.changeCounts.value(result)))
        }
        guard let changes = node.peers?.changes else { return }
        output.metric(
            "edge_forwarded_changes_total", .counter, "Of them, those for another node to make, by what came of that.")
        for result in ForwardedChanges.results {
            output.sample("edge_forwarded_changes_total", ["result": result], Double(changes.count(result)))
        }
        output.value(
            "edge_forwarded_changes_waiting", .gauge, "Those that wait for another node's answer.",
            Double(changes.waitingCount))
    }
}
