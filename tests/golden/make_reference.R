# What established R packages say of the data sets in ../data and real. Usage: Rscript make_reference.R [OUT.json]
# Writes ../data/reference.json unless told otherwise. Without mmrm or rbmi their sections are left out of OUT.json.
there <- function(package) suppressMessages(requireNamespace(package, quietly = TRUE))
suppressMessages({
  if (there("mmrm")) library(mmrm)
  library(lme4)
  library(lmerTest)
  library(nlme)
  library(survival)
  library(jsonlite)
})
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
out <- commandArgs(trailingOnly = TRUE)[1]
if (is.na(out)) {
  if (!there("mmrm") || !there("rbmi")) stop("without mmrm or rbmi the stored answers would lose theirs: name OUT.json")
  out <- file.path(here, "..", "data", "reference.json")
}
rd <- function(f) read.csv(file.path(here, "..", "data", f), na.strings = "", stringsAsFactors = TRUE)
row <- function(e, se, df, t, p) {
  list(estimate = unname(e), se = unname(se), df = unname(df), t = unname(t), p = unname(p))
}
packages <- Filter(there, c("mmrm", "lme4", "lmerTest", "nlme", "survival", "pbkrtest", "MASS"))
R <- list(versions = c(
  list(R = as.character(getRversion())),
  lapply(setNames(nm = packages), function(package) as.character(packageVersion(package)))
))

# 1 MMRM, two arms: y ~ day + day:arm + day:baseline
d <- rd("two_arm_monotone.csv")
d$patient <- factor(d$patient)
d$visit <- factor(d$day)
one <- function(cov, method) {
  f <- as.formula(paste0("score ~ visit + visit:arm + visit:baseline + ", cov, "(visit|patient)"))
  m <- mmrm(f, d, method = method, vcov = if (method == "Kenward-Roger") "Kenward-Roger-Linear" else "Asymptotic")
  b <- names(coef(m))
  res <- list()
  for (v in levels(d$visit)) {
    x <- df_1d(m, as.numeric(b == paste0("visit", v, ":armketamine_therapy")))
    res[[v]] <- row(x$est, x$se, x$df, x$t_stat, x$p_val)
  }
  list(
    model = paste("score ~ visit + visit:arm + visit:baseline,", cov, "covariance, REML,", method),
    contrast = "ketamine_therapy - ketamine at each day", by_day = res,
    covariance = unname(as.matrix(VarCorr(m))), reml_loglik = as.numeric(logLik(m))
  )
}
if (there("mmrm")) {
  R$two_arm_mmrm <- list(
    us_satterthwaite = one("us", "Satterthwaite"), us_kenward_roger = one("us", "Kenward-Roger"),
    ar1h_satterthwaite = one("ar1h", "Satterthwaite"), cs_satterthwaite = one("cs", "Satterthwaite")
  )
}
last <- subset(d, day == 56 & !is.na(score))
m <- lm(score ~ baseline + arm, last)
s <- summary(m)$coefficients["armketamine_therapy", ]
R$two_arm_ancova_day56_completers <- row(s[1], s[2], m$df.residual, s[3], s[4])
# Response at day 56 among those observed: a reduction by at least half.
last$resp <- as.integer(last$score <= last$baseline / 2)
g <- glm(resp ~ baseline + arm, binomial, last)
s <- summary(g)$coefficients["armketamine_therapy", ]
X1 <- X0 <- model.matrix(g)
X1[, "armketamine_therapy"] <- 1
X0[, "armketamine_therapy"] <- 0
p1 <- plogis(X1 %*% coef(g))
p0 <- plogis(X0 %*% coef(g))
G <- colMeans(as.vector(p1 * (1 - p1)) * X1) - colMeans(as.vector(p0 * (1 - p0)) * X0)
R$two_arm_response_day56 <- list(
  log_odds_ratio = row(s[1], s[2], Inf, s[3], s[4]),
  standardised_risk_difference = list(
    estimate = mean(p1) - mean(p0), se_delta_fixed_covariates = sqrt(drop(t(G) %*% vcov(g) %*% G))
  )
)

# 2 MMRM of the 2×2, with interaction
d <- rd("factorial_intermittent.csv")
d$patient <- factor(d$patient)
d$visit <- factor(d$day)
fac <- function(method) {
  m <- mmrm(
    score ~ visit + visit:ketamine + visit:therapy + visit:ketamine:therapy + visit:baseline + site +
      us(visit | patient),
    d, method = method, vcov = if (method == "Kenward-Roger") "Kenward-Roger-Linear" else "Asymptotic"
  )
  b <- names(coef(m))
  res <- list()
  for (v in levels(d$visit)) for (k in c("ketamine", "therapy", "ketamine:therapy")) {
    x <- df_1d(m, as.numeric(b == paste0("visit", v, ":", k)))
    res[[paste0(k, "@", v)]] <- row(x$est, x$se, x$df, x$t_stat, x$p_val)
  }
  list(
    model = paste(
      "score ~ visit + visit:ketamine + visit:therapy + visit:ketamine:therapy + visit:baseline + site, us, REML,",
      method, "; ketamine and therapy coded 0/1"
    ),
    terms = res, covariance = unname(as.matrix(VarCorr(m))), reml_loglik = as.numeric(logLik(m))
  )
}
if (there("mmrm")) {
  R$factorial_mmrm <- list(satterthwaite = fac("Satterthwaite"), kenward_roger = fac("Kenward-Roger"))
}

# 3 partially nested; patients of the other arm carry no therapist's effect
d <- rd("partially_nested.csv")
d$z <- as.integer(d$arm == "ketamine_therapy")
d$g <- ifelse(is.na(d$therapist), paste0("solo", d$patient), as.character(d$therapist))
m <- lmerTest::lmer(score ~ baseline + z + (0 + z | g), d, REML = TRUE)
s1 <- summary(m)$coefficients["z", ]
s2 <- summary(m, ddf = "Kenward-Roger")$coefficients["z", ]
R$partially_nested <- list(homoscedastic = list(
  model = paste("score ~ baseline + arm + (0 + arm | therapist), REML;",
    "ketamine-only patients carry no therapist effect"),
  satterthwaite = row(s1[1], s1[2], s1[3], s1[4], s1[5]),
  kenward_roger = row(s2[1], s2[2], s2[3], s2[4], s2[5]),
  therapist_sd = as.data.frame(VarCorr(m))$sdcor[1], residual_sd = sigma(m), reml_loglik = as.numeric(logLik(m))
))
h <- lme(score ~ baseline + z, random = ~ 0 + z | g, weights = varIdent(form = ~ 1 | arm), data = d, method = "REML")
s <- summary(h)$tTable["z", ]
w <- coef(h$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE) * h$sigma
R$partially_nested$heteroscedastic <- list(
  model = "as above with a residual variance per arm (nlme::lme, varIdent)", estimate = unname(s[1]),
  se = unname(s[2]), therapist_sd = as.numeric(VarCorr(h)[1, 2]), residual_sd_by_arm = as.list(w),
  reml_loglik = as.numeric(logLik(h))
)
n <- lm(score ~ baseline + z, d)
s <- summary(n)$coefficients["z", ]
R$partially_nested$ignoring_therapists <- row(s[1], s[2], n$df.residual, s[3], s[4])

# 4 relapse
d <- rd("relapse.csv")
S <- Surv(d$time_days, d$relapse)
lr <- survdiff(S ~ arm, d)
s <- summary(coxph(S ~ arm, d, ties = "efron"))$coefficients[1, ]
km <- survfit(S ~ arm, d)
q <- quantile(km, 0.5)$quantile
rm <- summary(km, rmean = 120)$table
mean_of <- function(i) list(estimate = unname(rm[i, "rmean"]), se = unname(rm[i, "se(rmean)"]))
R$relapse <- list(
  logrank_chisq = lr$chisq, logrank_p = pchisq(lr$chisq, 1, lower.tail = FALSE),
  cox_efron = list(log_hr = unname(s[1]), se = unname(s[3]), z = unname(s[4]), p = unname(s[5])),
  median_days = list(ketamine = unname(q[1, 1]), ketamine_therapy = unname(q[2, 1])),
  rmst_120 = list(ketamine = mean_of(1), ketamine_therapy = mean_of(2))
)

# 5 abstinent days
d <- rd("abstinent_days.csv")
g <- glm(cbind(abstinent_days, days - abstinent_days) ~ ketamine * therapy, quasibinomial, d)
l <- lm(100 * abstinent_days / days ~ ketamine * therapy, d)
a <- lm(100 * abstinent_days / days ~ ketamine + therapy, d)
terms_of <- function(model, df) {
  m <- summary(model)$coefficients
  setNames(lapply(rownames(m)[-1], function(k) row(m[k, 1], m[k, 2], df, m[k, 3], m[k, 4])), rownames(m)[-1])
}
R$abstinent_days <- list(
  quasibinomial_logit = terms_of(g, g$df.residual), dispersion = summary(g)$dispersion,
  percent_linear_interaction = terms_of(l, l$df.residual), percent_linear_main_effects = terms_of(a, a$df.residual)
)

# 6 crossover
d <- rd("crossover.csv")
d$patient <- factor(d$patient)
d$treatment <- relevel(d$treatment, "control")
d$period <- factor(d$period)
m <- lmerTest::lmer(score ~ period + treatment + (1 | patient), d)
s <- summary(m, ddf = "Kenward-Roger")$coefficients["treatmentketamine", ]
tot <- tapply(d$score, d$patient, sum)
sq <- tapply(as.character(d$sequence), d$patient, `[`, 1)
ct <- t.test(tot ~ sq, var.equal = TRUE)
R$crossover <- list(
  treatment = row(s[1], s[2], s[3], s[4], s[5]),
  carryover_test_on_totals = list(t = unname(ct$statistic), df = unname(ct$parameter), p = ct$p.value)
)

# 7 MMRM by nlme::gls, which stops closer to the optimum than mmrm: data that nobody here made, and the 2×2 again
tight <- glsControl(tolerance = 1e-10, msTol = 1e-12, maxIter = 500, msMaxIter = 500)
by_gls <- function(f, d) {
  d$v <- as.integer(d$visit)
  gls(f, d, correlation = corSymm(form = ~ v | patient), weights = varIdent(form = ~ 1 | visit), method = "REML",
    na.action = na.omit, control = tight)
}
differences <- function(f, d, arm) {
  m <- by_gls(f, d)
  s <- summary(m)$tTable[paste0("visit", levels(d$visit), ":", arm), ]
  list(
    model = paste(deparse(f, width.cutoff = 500), "us, REML", sep = ", "),
    by_visit = setNames(lapply(seq_len(nrow(s)), function(i) list(estimate = s[i, 1], se = s[i, 2])), levels(d$visit)),
    reml_loglik = as.numeric(logLik(m))
  )
}
real <- function(f, patient, visit) {
  d <- read.csv(file.path(here, "real", f))
  d$patient <- d[[patient]]
  d$visit <- factor(d[[visit]])
  d
}
d <- real("antidepressant_hamd17.csv", "PATIENT", "VISIT")
d$THERAPY <- relevel(factor(d$THERAPY), "PLACEBO")
d$POOLINV <- factor(d$POOLINV)
R$antidepressant_mmrm <- list(
  none = differences(CHANGE ~ visit + visit:THERAPY + visit:BASVAL, d, "THERAPYDRUG"),
  GENDER = differences(CHANGE ~ visit + visit:THERAPY + visit:BASVAL + GENDER, d, "THERAPYDRUG"),
  POOLINV = differences(CHANGE ~ visit + visit:THERAPY + visit:BASVAL + POOLINV, d, "THERAPYDRUG")
)
d <- real("fev.csv", "USUBJID", "VISITN")
R$fev_mmrm <- differences(FEV1 ~ visit + visit:ARMCD + visit:FEV1_BL + RACE + SEX, d, "ARMCDTRT")
d <- rd("factorial_intermittent.csv")
d$visit <- factor(d$day)
m <- by_gls(score ~ visit + visit:ketamine + visit:therapy + visit:ketamine:therapy + visit:baseline + site, d)
sds <- m$sigma * coef(m$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE)[levels(d$visit)]
R$factorial_gls <- list(variance_by_day = as.list(sds^2), reml_loglik = as.numeric(logLik(m)))

# 8 counts of events by negative binomial regression; a share with its exact interval
d <- data.frame(
  k = c(3, 0, 17, 2, 41, 1, 0, 4, 5, 59, 2, 0, 1, 6, 13, 0), arm = rep(0:1, 8),
  t = c(28, 28, 30, 25, 28, 14, 28, 28, 30, 31, 28, 21, 28, 28, 28, 28),
  x = c(12, 9, 15, 11, 18, 8, 7, 13, 14, 20, 10, 6, 9, 16, 12, 8)
)
g <- MASS::glm.nb(k ~ arm + x + offset(log(t)), d, control = glm.control(epsilon = 1e-14, maxit = 200))
s <- summary(g)$coefficients["arm", ]
R$negative_binomial <- list(
  data = as.list(d), log_rate_ratio = list(estimate = unname(s[1]), se = unname(s[2])), theta = g$theta
)
exact <- binom.test(14, 20)$conf.int
R$share_of_14_in_20 <- list(lower = exact[1], upper = exact[2])

# 9 reference-based imputation on the two-arm data (conditional mean, jackknife)
if (there("rbmi")) {
  library(rbmi)
  d <- rd("two_arm_monotone.csv")
  d$patient <- factor(d$patient)
  d$visit <- factor(d$day)
  vars <- set_vars(outcome = "score", visit = "visit", subjid = "patient", group = "arm",
    covariates = c("baseline*visit", "arm*visit"))
  ice <- do.call(rbind, lapply(split(d, d$patient), function(x) {
    if (anyNA(x$score)) data.frame(patient = x$patient[1], visit = x$visit[which(is.na(x$score))[1]], strategy = "MAR")
  }))
  dr <- suppressWarnings(
    draws(d, ice, vars, method_condmean(type = "jackknife", covariance = "us"), quiet = TRUE)
  )
  res <- list()
  for (st in c("MAR", "JR", "CR", "CIR")) {
    up <- ice
    up$strategy <- st
    im <- impute(dr, references = c(ketamine = "ketamine", ketamine_therapy = "ketamine"), update_strategy = up)
    av <- vars
    av$covariates <- "baseline"
    po <- as.data.frame(pool(analyse(im, ancova, vars = av)))
    x <- po[po$parameter == "trt_56", ]
    res[[st]] <- list(estimate = x$est, se = x$se, p = x$pval)
  }
  R$two_arm_reference_based_day56 <- list(
    method = paste("conditional-mean imputation, REML unstructured covariance common to arms, jackknife SE,",
      "ANCOVA score ~ baseline + arm; reference = ketamine"),
    strategies = res, rbmi = as.character(packageVersion("rbmi"))
  )
}
write_json(R, out, digits = 10, auto_unbox = TRUE, pretty = TRUE)
