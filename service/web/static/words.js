// Numbers and findings in words that need no manual.

export const LAYERS = {
  probability: {
    meaning: "How likely each spot is smoke. Bright is smoke; where there is no colour, the model sees none.",
    low: "no smoke",
    high: "smoke",
  },
  total: {
    meaning: "The model is unsure here. This is all of its doubt; the next two choices say where it comes from.",
    low: "sure",
    high: "as unsure as can be",
  },
  aleatoric: {
    meaning: "It is hard to tell here, for a person too: thin smoke, soft edges, haze. More training would not help.",
    low: "plain to see",
    high: "could be either",
  },
  epistemic: {
    meaning: "Models trained alike would disagree here: what they learned does not settle what this spot is. More training might.",
    low: "they agree",
    high: "they disagree",
  },
};

/** [headline, one sentence] on a reply of the service. */
export function verdict(reply) {
  const places = reply.smoke.region_count;
  if (places === 0) return ["No smoke found", `Where smoke is likeliest, the model gives it ${percent(reply.smoke.max_probability)}.`];
  const where = places === 1 ? "in one place" : `in ${places} places`;
  return ["Smoke", `${percent(reply.smoke.area_fraction)} of the picture, ${where}.`];
}

/** A share in [0, 1] as a percentage of two digits. */
export function percent(share) {
  const value = 100 * share;
  if (value === 0 || value >= 9.95) return `${Math.round(value)} %`;
  return value < 0.01 ? "less than 0.01 %" : `${Number(value.toPrecision(2))} %`;
}

/** A value with its unit, as the scale of a map has it. */
export function quantity(value, unit) {
  return unit === "nat" ? `${value.toFixed(2)} nats` : value.toFixed(2);
}

/** A time in milliseconds. */
export function milliseconds(value) {
  return value < 1000 ? `${value < 10 ? value.toFixed(1) : Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}
