/// Which refusals an operation may answer with.
extension Operation {
    /// To any request, whatever it is for: it cannot be read, or comes when there is too much to do.
    static let problemsOfAll: [ProblemKind] = [
        .malformedRequest, .requestTimeout, .payloadTooLarge, .targetTooLong, .expectationFailed, .headTooLarge,
        .methodNotAllowed, .notImplemented, .versionNotSupported, .overloaded,
    ]

    /// What keeps one link from being made. The results of batches and imports name them too.
    static let problemsOfCreating: [ProblemKind] = [
        .invalidJSON, .invalidURL, .blockedDestination, .invalidAlias, .invalidExpiry, .invalidTitle, .invalidTags,
        .aliasTaken, .aliasUnavailable, .claimUnknown, .lookupFailed, .notReplicated, .storageFull, .damagedRecord,
    ]
    /// Of a line.
    static let problemsOfImporting = problemsOfCreating + [.invalidCreation, .idempotencyMismatch]

    /// With a key that does not hold, or too often.
    private static let ofAPI: [ProblemKind] = [.unauthorized, .rateLimited]
    private static let ofRepeating: [ProblemKind] = [.invalidIdempotencyKey, .idempotencyMismatch, .behind]
    private static let ofFinding: [ProblemKind] = [.notFound, .expired, .behind, .damagedRecord, .rateLimited]

    /// Beside those of all, each once.
    var problems: [ProblemKind] {
        switch self {
        case .listLinks: Self.ofAPI + [.forbidden, .invalidQuery, .behind, .damagedRecord]
        case .createLink, .shorten:
            Self.ofAPI + [.forbidden, .creationOff, .unsupportedMediaType] + Self.ofRepeating
                + Self.problemsOfCreating.filter {
                    self == .createLink || ![ProblemKind.invalidTitle, .invalidTags].map(\.code).contains($0.code)
                }
        case .importLinks:
            Self.ofAPI + [.forbidden, .creationOff, .invalidQuery, .unsupportedMediaType, .damagedRecord]
                + Self.ofRepeating
        case .exportLinks: Self.ofAPI + [.forbidden, .invalidQuery]
        case .takeBatch:
            Self.ofAPI + [.forbidden, .creationOff, .unsupportedMediaType] + Self.ofRepeating
                + [.invalidJSON, .invalidBatch, .storageFull, .damagedRecord]
        case .showBatch: Self.ofAPI + [.notFound, .batchElsewhere, .damagedRecord]
        case .showLink: [.unauthorized] + Self.ofFinding
        case .changeLink:
            Self.ofChanging + [
                .unsupportedMediaType, .invalidJSON, .invalidURL, .blockedDestination, .invalidExpiry, .invalidTitle,
                .invalidTags, .lookupFailed,
            ]
        case .deleteLink: Self.ofChanging
        case .showClicks: [.unauthorized, .invalidQuery, .clicksUnavailable] + Self.ofFinding
        case .listBlocks: Self.ofAPI + [.forbidden, .invalidQuery]
        case .showBlock: [.unauthorized, .forbidden] + Self.ofFinding
        case .setBlock: Self.ofModerating + [.unsupportedMediaType, .invalidJSON]
        case .liftBlock: Self.ofModerating
        case .report:
            [.unauthorized, .unsupportedMediaType, .invalidJSON, .storageFull] + Self.ofFinding
        case .listReports, .tellAudit: Self.ofAPI + [.forbidden, .invalidQuery]
        case .decideReport:
            Self.ofAPI + [
                .forbidden, .unsupportedMediaType, .invalidJSON, .notFound, .damagedRecord, .notReplicated,
                .storageFull,
            ]
        case .tellChanges: Self.ofAPI + [.forbidden, .invalidQuery, .logTruncated, .storeUnreadable]
        case .describe: Self.ofAPI
        case .health, .readiness, .listProblems: []
        case .showProblem: [.notFound, .rateLimited]
        case .follow, .preview: Self.ofFinding + [.blocked]
        }
    }

    private static var ofModerating: [ProblemKind] {
        [.unauthorized, .forbidden, .notReplicated, .storageFull] + ofFinding
    }

    private static var ofChanging: [ProblemKind] {
        [.unauthorized, .forbidden, .preconditionFailed, .notReplicated, .storageFull] + ofFinding
    }
}
