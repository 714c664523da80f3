# Generates the data sets in ../data, the same bytes each time. Usage: Rscript make_data.R [OUTDIR]
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
out <- commandArgs(trailingOnly = TRUE)[1]
if (is.na(out)) out <- file.path(here, "..", "data")
set.seed(20261121)
w <- function(d, f) write.csv(d, file.path(out, f), row.names = FALSE, quote = FALSE, na = "")
mvn <- function(n, S) matrix(rnorm(n * nrow(S)), n) %*% chol(S)
r2 <- function(x) round(x, 2)

# 1 two arms, four post-baseline visits, monotone dropout at random
n <- 60; days <- c(7, 14, 28, 56); s <- c(6, 9, 9, 9.5, 10)
S <- outer(s, s) * 0.6^abs(outer(0:4, 0:4, "-"))
arm <- rep(c("ketamine", "ketamine_therapy"), each = n)
mu <- rbind(c(32, 20, 20, 22, 24), c(32, 19, 17, 17, 18))[rep(1:2, each = n), ]
y <- mu + mvn(2 * n, S)
gone <- rep(FALSE, 2 * n)
for (v in 3:5) {
  h <- plogis(-2.6 + 0.06 * (y[, v - 1] - 20))
  gone <- gone | runif(2 * n) < h
  y[gone, v] <- NA
}
d <- data.frame(patient = rep(1:(2 * n), each = 4), arm = rep(arm, each = 4), day = rep(days, 2 * n),
  baseline = r2(rep(y[, 1], each = 4)), score = r2(as.vector(t(y[, 2:5]))))
w(d, "two_arm_monotone.csv")

# 2 two-by-two, five visits, intermittent and monotone missing scores, one stratum
nc <- 40; days <- c(1, 7, 14, 28, 84)
cell <- expand.grid(ketamine = 0:1, therapy = 0:1)[rep(1:4, each = nc), ]
N <- nrow(cell); site <- rep(c("A", "B"), length.out = N)
s <- c(6, 8, 9, 9, 9.5, 10.5)
S <- outer(s, s) * (0.35 + 0.65 * diag(6)) * 0.9^abs(outer(0:5, 0:5, "-"))
kd <- c(0, 10, 8, 5, 3, 1); td <- c(0, 0.5, 1.5, 3, 4, 4); id <- c(0, 0, 1, 1.5, 2, 2)
y <- matrix(31, N, 6) - rep(1, N) %o% c(0, 3, 4, 4.5, 5, 5) - cell$ketamine %o% kd - cell$therapy %o% td -
  (cell$ketamine * cell$therapy) %o% id + (site == "B") * 1.5 + mvn(N, S)
y[, 2:6][matrix(runif(N * 5) < 0.06, N)] <- NA
for (i in seq_len(N)) if (runif(1) < 0.18) { k <- sample(3:6, 1); y[i, k:6] <- NA }
d <- data.frame(patient = rep(1:N, each = 5), ketamine = rep(cell$ketamine, each = 5),
  therapy = rep(cell$therapy, each = 5), site = rep(site, each = 5), day = rep(days, N),
  baseline = r2(rep(y[, 1], each = 5)), score = r2(as.vector(t(y[, 2:6]))))
w(d, "factorial_intermittent.csv")

# 3 partially nested: therapists treat one arm only, unequal caseloads
size <- c(4, 5, 6, 7, 8, 8, 9, 10, 11, 12); nt <- sum(size)
u <- rnorm(length(size), 0, 3); th <- rep(seq_along(size), size); b <- rnorm(2 * nt, 32, 5)
arm <- rep(c("ketamine", "ketamine_therapy"), each = nt)
e <- rnorm(2 * nt, 0, rep(c(9.5, 8), each = nt))
sc <- 6 + 0.5 * b + c(rep(0, nt), -3.5 + u[th]) + e
d <- data.frame(patient = 1:(2 * nt), arm = arm, therapist = c(rep("", nt), paste0("T", th)),
  baseline = r2(b), score = r2(sc))
w(d, "partially_nested.csv")

# 4 time to relapse, staggered entry, ties to whole days
n <- 90; arm <- rep(c("ketamine", "ketamine_therapy"), each = n); entry <- runif(2 * n, 0, 240)
t <- rweibull(2 * n, 0.8, ifelse(arm == "ketamine", 45, 75))
cens <- pmin(400 - entry, rexp(2 * n, 1 / 500), 180)
d <- data.frame(patient = 1:(2 * n), arm = arm, time_days = pmax(1, ceiling(pmin(t, cens))),
  relapse = as.integer(t <= cens))
w(d, "relapse.csv")

# 5 abstinent days out of 180, over-dispersed, two-by-two
cell <- expand.grid(ketamine = 0:1, therapy = 0:1)[rep(1:4, each = 30), ]
p <- plogis(0.9 + 0.5 * cell$ketamine + 0.3 * cell$therapy); ph <- 3
d <- data.frame(patient = 1:120, ketamine = cell$ketamine, therapy = cell$therapy,
  abstinent_days = rbinom(120, 180, rbeta(120, p * ph, (1 - p) * ph)), days = 180)
w(d, "abstinent_days.csv")

# 6 two-period crossover with period baselines
n <- 24; seq <- rep(c("KP", "PK"), each = n / 2); ui <- rnorm(n, 0, 5)
rows <- do.call(rbind, lapply(1:n, function(i) {
  tr <- strsplit(seq[i], "")[[1]]
  data.frame(patient = i, sequence = seq[i], period = 1:2, treatment = ifelse(tr == "K", "ketamine", "control"),
    score = r2(28 + ui[i] - c(0, 1.5) - ifelse(tr == "K", 8, 0) + rnorm(2, 0, 6)))
}))
w(rows, "crossover.csv")
