-- A glucose-insulin twin: the minimal model of Bergman, with the gut and the
-- subcutaneous depot of Hovorka as what drives it.
--
--   dG/dt = -(p1 + X) G + p1 Gb + Ra(t)       G   plasma glucose, mg/dl
--   dX/dt = -p2 X + p3 (I - Ib)               X   remote insulin action, 1/min
--   dI/dt = -n (I - Ib) + Ui(t)               I   plasma insulin, mU/l
--
--   Ra, Ui: dose * t / tmax^2 * exp(-t / tmax), per volume of distribution
--
-- Bergman RN, Ider YZ, Bowden CR, Cobelli C. Quantitative estimation of insulin
-- sensitivity. Am J Physiol 1979; 236:E667-E677.
-- Hovorka R et al. Nonlinear model predictive control of glucose concentration in
-- subjects with type 1 diabetes. Physiol Meas 2004; 25:905-920 (absorption).
--
-- Everything here is invented: no person, no measurement. The same numbers come
-- out on every run: the only source of variety is the generator below.

CREATE SCHEMA twin;

-- A number in [0, 1) that depends on its two arguments alone.
CREATE FUNCTION twin.uniform(a bigint, b bigint) RETURNS float8
LANGUAGE sql IMMUTABLE AS $$
    SELECT ('x' || substr(md5(a || ',' || b), 1, 8))::bit(32)::bigint / 4294967296.0::float8
$$;

-- Glucose every `step` minutes, by the classical Runge-Kutta method. meals: minute,
-- grams of carbohydrate and units of insulin, three numbers a meal.
CREATE FUNCTION twin.simulate(weight float8, p1 float8, p2 float8, p3 float8, basal_glucose float8,
                              meals float8[], minutes int, step int DEFAULT 5)
RETURNS TABLE (minute int, glucose float8)
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    n CONSTANT float8 := 0.09;          -- 1/min, insulin clearance
    h CONSTANT float8 := step;
    ra float8[];                        -- mg/dl/min and mU/l/min at every half step
    ui float8[];
    g float8 := basal_glucose;
    x float8 := 0;
    i float8 := 0;                      -- above basal
    g1 float8; g2 float8; g3 float8; g4 float8;
    x1 float8; x2 float8; x3 float8; x4 float8;
    i1 float8; i2 float8; i3 float8; i4 float8;
    k int;
BEGIN
    -- 80 % of the carbohydrate arrives, with its peak at 40 minutes; insulin at 55.
    SELECT array_agg(carbs ORDER BY t), array_agg(insulin ORDER BY t) INTO ra, ui
      FROM (SELECT s.t,
                   coalesce(sum(0.8 * meals[m + 1] * 1000 * (s.t - meals[m]) / 1600
                                * exp((meals[m] - s.t) / 40)), 0) / (1.6 * weight) AS carbs,
                   coalesce(sum(meals[m + 2] * 1000 * (s.t - meals[m]) / 3025
                                * exp((meals[m] - s.t) / 55)), 0) / (0.12 * weight) AS insulin
              FROM (SELECT j * step / 2.0::float8 AS t
                      FROM generate_series(0, 2 * (minutes / step)) AS j) AS s
              LEFT JOIN generate_series(1, cardinality(meals), 3) AS m
                ON meals[m] BETWEEN s.t - 600 AND s.t
             GROUP BY s.t) AS forcing;
    FOR j IN 0 .. minutes / step LOOP
        minute := j * step;
        glucose := g;
        RETURN NEXT;
        EXIT WHEN j = minutes / step;
        k := 2 * j + 1;
        g1 := -(p1 + x) * g + p1 * basal_glucose + ra[k];
        x1 := -p2 * x + p3 * i;
        i1 := -n * i + ui[k];
        g2 := -(p1 + x + h / 2 * x1) * (g + h / 2 * g1) + p1 * basal_glucose + ra[k + 1];
        x2 := -p2 * (x + h / 2 * x1) + p3 * (i + h / 2 * i1);
        i2 := -n * (i + h / 2 * i1) + ui[k + 1];
        g3 := -(p1 + x + h / 2 * x2) * (g + h / 2 * g2) + p1 * basal_glucose + ra[k + 1];
        x3 := -p2 * (x + h / 2 * x2) + p3 * (i + h / 2 * i2);
        i3 := -n * (i + h / 2 * i2) + ui[k + 1];
        g4 := -(p1 + x + h * x3) * (g + h * g3) + p1 * basal_glucose + ra[k + 2];
        x4 := -p2 * (x + h * x3) + p3 * (i + h * i3);
        i4 := -n * (i + h * i3) + ui[k + 2];
        g := g + h / 6 * (g1 + 2 * g2 + 2 * g3 + g4);
        x := x + h / 6 * (x1 + 2 * x2 + 2 * x3 + x4);
        i := i + h / 6 * (i1 + 2 * i2 + 2 * i3 + i4);
    END LOOP;
END $$;
