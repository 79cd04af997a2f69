/// HTTPS, of a node that serves it.
extension Metrics {
    mutating func addTLS(_ server: ServerTLS, _ upgrade: Upgrade?, _ workers: [WorkerCounters]) {
        func sum(_ outcome: TLSOutcome) -> Double { Double(workers.reduce(0) { $0 + $1.tls.value(outcome) }) }
        output.metric(
            "edge_tls_handshakes_total", .counter, "TLS handshakes that were done, by version; resumed: with a ticket.")
        for (version, resumed, outcome) in [
            ("1.2", "no", TLSOutcome.full12), ("1.2", "yes", .resumed12), ("1.3", "no", .full13),
            ("1.3", "yes", .resumed13),
        ] { output.sample("edge_tls_handshakes_total", ["version": version, "resumed": resumed], sum(outcome)) }
        output.metric(
            "edge_tls_handshake_failures_total", .counter, "TLS handshakes that were not done, by what was in the way.")
        for (reason, count) in [
            ("refused", sum(.failed)), ("abandoned", sum(.abandoned)), ("plain_http", sum(.plain)),
            ("timeout", Double(workers.reduce(0) { $0 + $1.expiryCount(.handshake) })),
        ] { output.sample("edge_tls_handshake_failures_total", ["reason": reason], count) }
        output.metric(
            "edge_tls_certificate_not_after_seconds", .gauge,
            "When a certificate for clients ends, in seconds since 1970; of those with one name the first to end.")
        var names: Set<String> = []
        for pair in server.pairs.sorted(by: { $0.end < $1.end }) where names.insert(pair.shownName).inserted {
            output.sample("edge_tls_certificate_not_after_seconds", ["name": pair.shownName], Double(pair.end))
        }
        guard let upgrade else { return }
        output.metric("edge_upgrade_requests_total", .counter, "Requests on listen_upgrade, by what was answered.")
        for (answer, count) in [
            ("redirect", upgrade.redirects.value), ("challenge", upgrade.challengesFound.value),
            ("no_challenge", upgrade.challengesMissed.value),
        ] { output.sample("edge_upgrade_requests_total", ["answer": answer], Double(count)) }
    }
}
