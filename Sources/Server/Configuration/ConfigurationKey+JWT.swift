extension ConfigurationKey {
    /// The keys of JSON Web Tokens.
    static let jwt: [ConfigurationKey] = [
        .init(
            "jwt_keys", \.jwtKeys, .files(atMost: JWTLimits.files, remedy: "put several keys into one file"),
            "files with public keys, PEM or JWKS: JSON Web Tokens that these have signed are taken as keys are; or none",
            reloadable: true),
        .init(
            "jwt_issuer", \.jwtIssuers, .names, "what iss of a token must be, one of these; none: anything",
            reloadable: true),
        .init(
            "jwt_audience", \.jwtAudiences, .names, "what aud of a token must be or hold, one of these; none: anything",
            reloadable: true),
        .init(
            "jwt_leeway", \.jwtLeewayMilliseconds, .duration(JWTLimits.leewayMilliseconds),
            "by how much the clocks of who makes tokens and of this node may differ", reloadable: true),
    ]
}

extension ValueSyntax where Value == [String] {
    /// Texts with commas between, or `none`.
    static let names = ValueSyntax(
        read: { (text) throws(BadValue) in
            if text == "none" { return [] }
            let names = text.split(separator: ",", omittingEmptySubsequences: false).map { String($0.trimmingBlanks()) }
            guard !names.contains("") else {
                throw BadValue(problem: "a comma without a name beside it", remedy: "write names with commas between")
            }
            guard names.count <= JWTLimits.names else {
                throw BadValue(problem: "more than \(JWTLimits.names) names", remedy: "write fewer")
            }
            return names
        }, write: { $0.isEmpty ? "none" : $0.joined(separator: ", ") })
}
