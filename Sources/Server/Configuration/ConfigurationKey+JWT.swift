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
    static let names = list(
        "name", atMost: JWTLimits.names,
        tooMany: BadValue(problem: "more than \(JWTLimits.names) names", remedy: "write fewer"))
}
