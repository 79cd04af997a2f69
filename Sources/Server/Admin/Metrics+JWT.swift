/// JSON Web Tokens, of a node that takes them.
extension Metrics {
    mutating func addJWT(_ verifiers: JWTVerifiers) {
        guard let verifier = verifiers.current else { return }
        let figures = verifiers.counts.figures
        output.metric(
            "edge_jwt_tokens_total", .counter,
            "Tokens that held when they came: by their signature, or known from before.")
        output.sample("edge_jwt_tokens_total", ["result": "verified"], Double(figures.verified))
        output.sample("edge_jwt_tokens_total", ["result": "remembered"], Double(figures.remembered))
        output.metric("edge_jwt_refused_total", .counter, "Tokens that were refused, by what is wrong with them.")
        for refusal in JWTRefusal.allCases {
            output.sample(
                "edge_jwt_refused_total", ["reason": refusal.rawValue], Double(figures.refused[refusal] ?? 0))
        }
        output.value("edge_jwt_keys", .gauge, "Keys that tokens are checked with.", Double(verifier.keys.count))
    }
}
